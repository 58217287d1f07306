import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from refrain.errors import (
    CellError,
    DataError,
    OptionError,
    RefrainError,
    StreamError,
)
from refrain.tasks import SentimentClassifier
from refrain.tasks.text.split import split
from refrain.tasks.text.vocabulary import Vocabulary
from tests.tasks.text.reviews import WORDS, reviews

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

QUICK = {
    "units": 4,
    "embedding": 8,
    "cell": "gru",
    "dropout": 0.2,
    "learning_rate": 0.04,
    "batch_size": 36,  # all batches are full: one shape to compile
    "epochs": 6,
    "min_count": 1,
    "seed": 3,
}


@pytest.fixture(scope="module")
def fitted():
    return SentimentClassifier(**QUICK).fit(*reviews(160))


def test_it_learns(fitted):
    texts, labels = reviews(80, seed=1)
    assert fitted.score(texts, labels) > 0.95
    found = fitted.evaluate(texts, labels)
    assert found.figures["accuracy"] == fitted.score(texts, labels)
    assert np.sum(found.confusion) == 80
    assert fitted.predict(texts[:2]).tolist() == ["good", "bad"]


def test_a_text_means_the_same_alone_and_among_longer_ones(fitted):
    texts, _ = reviews(3, seed=2)
    many = fitted.predict_proba([*texts, "the film " * 30, ""])
    assert many.shape == (5, 2)
    np.testing.assert_allclose(many.sum(axis=1), 1)
    for text, row in zip(texts, many, strict=False):
        np.testing.assert_allclose(fitted.predict_proba([text])[0], row, rtol=1e-5)


def test_a_file_gives_back_the_same_classifier(fitted, tmp_path):
    path = tmp_path / "model.refrain"
    fitted.save(path, {"text": "review"})
    loaded = SentimentClassifier.load(path)
    texts, labels = reviews(20, seed=4)
    np.testing.assert_array_equal(
        loaded.predict_proba(texts), fitted.predict_proba(texts)
    )
    assert loaded.get_params() == fitted.get_params()
    assert loaded.about_ == {"text": "review"}
    assert loaded.training_.validation_loss == fitted.training_.validation_loss
    assert loaded.score(texts, labels) == fitted.score(texts, labels)


def test_the_word_that_decides_contributes_most(fitted):
    texts, labels = reviews(20, seed=5)
    right = 0
    for text, label in zip(texts, labels, strict=True):
        found = fitted.contributions(text.title())
        assert [word for word, _ in found] == text.title().split()
        best, _ = max(found, key=lambda pair: pair[1])
        right += best.lower() in WORDS[label]
    assert right >= 16


def test_scikit_learn_can_copy_and_change_it():
    model = SentimentClassifier(units=5)
    assert model.get_params()["units"] == 5
    assert clone(model).set_params(cell="lstm").cell == "lstm"
    assert "units=5" in repr(model)
    for kind in (NotFittedError, RefrainError):
        with pytest.raises(kind, match="SentimentClassifier is not trained; call fit"):
            model.predict(["a"])
    with pytest.raises(NotFittedError, match="not trained"):
        model.save("nowhere")


def test_series_are_no_affair_of_a_classifier():
    with pytest.raises(OptionError, match="a text classifier has no series"):
        SentimentClassifier().stream("shop 1")


def test_more_labels_and_a_short_race():
    texts, names = reviews(120, ("good", "bad", "odd"))
    labels = [{"good": 3, "bad": 1, "odd": 7}[name] for name in names]
    seen = set()
    model = SentimentClassifier(**{**QUICK, "cell": "auto", "epochs": 6})
    model.fit(texts, labels, report=lambda name, _: seen.add(name))
    assert seen == {"simple RNN", "LSTM", "GRU", "BiLSTM"}
    assert model.cell_ in ("rnn", "lstm", "gru", "bilstm")
    assert model.classes_.tolist() == [1, 3, 7]
    assert model.score(texts, labels) > 0.6
    assert model.predict(texts[:3]).dtype.kind == "i"


def test_a_training_cut_off_goes_on_to_the_same_model(tmp_path, fitted):
    class CutOffError(Exception):
        pass

    def cut(_, progress):
        if progress.epoch == 3:
            raise CutOffError

    data = reviews(160)
    with pytest.raises(CutOffError):
        SentimentClassifier(**QUICK).fit(*data, report=cut, checkpoints=tmp_path)
    epochs = []
    again = SentimentClassifier(**QUICK).fit(
        *data, report=lambda _, p: epochs.append(p.epoch), checkpoints=tmp_path
    )
    assert epochs == [0, 3, 4, 5, 6]
    texts, _ = reviews(9, seed=6)
    np.testing.assert_array_equal(
        again.predict_proba(texts), fitted.predict_proba(texts)
    )


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a", "b"], ["x", "x"], "expected two labels or more, received only 'x'"),
        (["a", "b", "c"], ["x", "x", "y"], "'y' occurs once; expected each twice"),
        (["a", "b"], ["x"], "received 2 texts and 1 labels"),
        ([], [], "received none"),
        ("ab", ["x", "y"], "received one text; put it in a list"),
        (["a", None], ["x", "y"], "text 1: expected a string, received None"),
        (["a", "b"], [None, "y"], "expected one label a text"),
        (["a", "a", "b", "b"], [0, 1, 0, 1], "no word occurs 9 times"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(texts, labels, message):
    with pytest.raises(DataError, match=message):
        SentimentClassifier(min_count=9).fit(texts, labels)


def test_options_are_checked_when_training_starts(fitted):
    with pytest.raises(OptionError, match="pooling: expected one of"):
        SentimentClassifier(pooling="min").fit(["a", "b"], [0, 1])
    with pytest.raises(CellError, match="unknown cell 'gro'"):
        SentimentClassifier(**{**QUICK, "cell": "gro"}).fit(*reviews(8))
    with pytest.raises(DataError, match="the label 'fine' is not one"):
        fitted.evaluate(["a"], ["fine"])


def test_other_files_are_refused(tmp_path):
    with pytest.raises(RefrainError, match=r"cannot read .*No such file"):
        SentimentClassifier.load(tmp_path / "none.refrain")


def unseen(model, texts, learnt):
    """Words that the model knows and the training part lacks."""
    seen = {word for k in learnt for word in texts[k].split()}
    return set(model.vocabulary_.words()) - seen - {"[PAD]", "[UNK]"}


def test_the_vocabulary_is_that_of_the_training_part():
    texts, labels = reviews(40)
    texts = [f"{text} only{k}" for k, text in enumerate(texts)]
    model = SentimentClassifier(**{**QUICK, "epochs": 1}).fit(texts, labels)
    truth = np.unique(labels, return_inverse=True)[1]
    learnt, watched = split(truth, model.validation, model.seed)
    assert not unseen(model, texts, learnt)
    # The check sees a leak: a vocabulary of all texts knows words of those held out.
    model.vocabulary_ = Vocabulary.learn(texts, "words", 1000, 1, 400)
    assert unseen(model, texts, learnt) == {f"only{k}" for k in watched}


def test_a_stream_answers_as_the_whole_text_does(fitted):
    texts, labels = reviews(160)
    model = SentimentClassifier(**{**QUICK, "pooling": "last", "epochs": 2})
    stream = model.fit(texts, labels).stream()
    for text in texts[:3]:
        words = text.split()
        for k, word in enumerate(words):
            found = stream.step(word)
            whole = model.predict_proba([" ".join(words[: k + 1])])[0]
            np.testing.assert_allclose(found, whole, rtol=1e-4)
        stream.reset()
    assert stream.classes_.tolist() == ["bad", "good"]
    many = stream.step(" ".join(words[:3]))
    again = model.stream()
    again.restore(stream.state())
    rest = " ".join(words[3:])
    many = stream.step(rest)
    np.testing.assert_allclose(many, found, rtol=1e-4)
    np.testing.assert_array_equal(many, again.step(rest))
    with pytest.raises(DataError, match="expected a word, received ' '"):
        stream.step(" ")
    with pytest.raises(StreamError, match="needs the whole text at once; train one"):
        fitted.stream()
