import pytest

from refrain.errors import DataError
from refrain.tasks.text.vocabulary import Vocabulary

TEXTS = ["Don't stop, please .", "please don't", "stop it"]


def learnt(kind="words", **settings):
    return Vocabulary.learn(
        TEXTS, kind, **{"size": 50, "min_count": 1, "max_length": 5, **settings}
    )


def test_words_are_lower_cased_and_numbered_from_the_most_frequent():
    words = learnt().words()
    assert words[:2] == ["[PAD]", "[UNK]"]
    assert set(words[2:5]) == {"don't", "please", "stop"}
    assert set(words[5:]) == {",", ".", "it"}
    assert learnt(min_count=2).words()[2:] == words[2:5]
    assert learnt(size=4).words() == words[:4]


def test_texts_become_numbers_and_padding():
    vocabulary = learnt()
    found = vocabulary.encode(["PLEASE stop", "never", "", "it it it it it it it"])
    number = {word: k for k, word in enumerate(vocabulary.words())}
    assert found.numbers.shape == (4, 5)
    assert found.numbers[0].tolist() == [number["please"], number["stop"], 0, 0, 0]
    assert found.numbers[1:3, :2].tolist() == [[1, 0], [1, 0]]
    assert found.lengths.tolist() == [2, 1, 1, 5]


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_cut_gives_the_pieces_that_encode_numbers(kind):
    vocabulary = learnt(kind, max_length=40)
    text = "Don't STOP it, größe"
    pieces = vocabulary.cut(text)
    assert len(pieces) == vocabulary.encode([text]).lengths[0]
    if kind == "words":
        assert pieces == ["Don't", "STOP", "it", ",", "größe"]
    assert "".join(pieces).startswith("Don'tSTOP")


@pytest.mark.parametrize("kind", ["words", "bpe"])
def test_a_vocabulary_is_learnt_again_and_read_back_alike(kind):
    vocabulary = learnt(kind)
    assert str(learnt(kind)) == str(vocabulary)
    again = Vocabulary.of(str(vocabulary), 5)
    assert again.words() == vocabulary.words()
    assert (again.encode(TEXTS).numbers == vocabulary.encode(TEXTS).numbers).all()


def test_pieces_reach_words_that_were_never_seen():
    vocabulary = learnt("bpe")
    assert 1 not in vocabulary.encode(["top"]).numbers


def test_no_word_is_an_error():
    with pytest.raises(DataError, match="no word occurs 4 times"):
        learnt(min_count=4)
