"""`refrain train sentiment`, `predict` and `evaluate`, from file to answer."""

import dataclasses
import io
import json
import os
from pathlib import Path

import pytest

from refrain.tasks import SentimentClassifier
from refrain.tasks.text.options import TextJob
from tests.tasks.text.reviews import reviews, write_reviews

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

CONFIG = """
cell = "gru"
units = 4
embedding = 8
dropout = 0.2
learning-rate = 0.04
epochs = 6
min_count = 1
batch_size = 36
held_out = 0.2
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    write_reviews(folder / "reviews.csv", *reviews(200))
    write_reviews(folder / "more.csv", *reviews(30, seed=7))
    (folder / "job.toml").write_text(CONFIG)
    return folder


@pytest.fixture
def model(folder, refrain):
    """A model, trained by the command when it is first asked for."""
    path = folder / "model.refrain"
    if not path.exists():
        arguments = ("-o", path, "--config", folder / "job.toml", "--epochs", 7)
        ended = refrain("train", "sentiment", folder / "reviews.csv", *arguments)
        assert ended.code == 0, ended.err
        (folder / "told.txt").write_text(ended.out)
    return path


def test_training_tells_figures_and_leaves_two_files(model):
    folder = model.parent
    told = (folder / "told.txt").read_text()
    accuracy = next(line.split() for line in told.splitlines() if "accuracy" in line)
    assert float(accuracy[1]) > 0.85
    assert float(accuracy[2]) > 0.85
    assert "144 texts to learn from, 16 to stop by, 40 held out" in told
    assert {path.name for path in folder.iterdir()} >= {"model.refrain", "model.html"}
    assert not (folder / "model.refrain.training").exists()


def test_the_report_holds_what_was_found(model):
    html = model.with_suffix(".html").read_text()
    assert "<svg" in html
    for part in ("TF-IDF, linear", "refrain train sentiment", "Loss by epoch", "good"):
        assert part in html


def test_predictions_are_lines_of_json(model, folder, refrain, monkeypatch):
    ended = refrain("predict", model, folder / "more.csv")
    rows = [json.loads(line) for line in ended.out.splitlines()]
    texts, labels = reviews(30, seed=7)
    assert [row["text"] for row in rows] == texts
    right = sum(row["label"] == label for row, label in zip(rows, labels, strict=True))
    assert right > 25
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{texts[0]}\n\n{texts[1]}\n"))
    ended = refrain("predict", model, "-")
    found = [json.loads(line) for line in ended.out.splitlines()]
    assert [row["label"] for row in found] == [row["label"] for row in rows[:2]]


def test_words_that_speak_for_a_label_are_told(model, folder, refrain):
    lines = refrain("predict", model, folder / "more.csv", "--words").out.splitlines()
    first = json.loads(lines[0])
    made = SentimentClassifier.load(model)
    expected = [[word, round(x, 4)] for word, x in made.contributions(first["text"])]
    assert first["words"] == expected
    plain = refrain("predict", model, folder / "more.csv").out.splitlines()
    assert "words" not in json.loads(plain[0])


def test_evaluate_counts_what_predict_says(model, folder, refrain):
    figures = json.loads(refrain("evaluate", model, folder / "more.csv", "--json").out)
    lines = refrain("predict", model, folder / "more.csv").out.splitlines()
    right = [
        json.loads(line)["label"] == label
        for line, label in zip(lines, reviews(30, seed=7)[1], strict=True)
    ]
    assert figures["accuracy"] == pytest.approx(sum(right) / 30)
    assert "accuracy" in refrain("evaluate", model, folder / "more.csv").out


def test_a_stream_labels_the_words_so_far(refrain, monkeypatch, tmp_path):
    options = {"cell": "gru", "pooling": "last", "units": 4, "epochs": 2}
    made = SentimentClassifier(**options, min_count=1).fit(*reviews(60))
    path, state = tmp_path / "last.refrain", tmp_path / "state"
    made.save(path)
    monkeypatch.setattr("sys.stdin", io.StringIO("a fine\nfilm\n\ndull\n"))
    ended = refrain("stream", path, "--state", state, "--stats")
    assert ended.code == 0, ended.err
    monkeypatch.setattr("sys.stdin", io.StringIO("story\n"))
    told = ended.out + refrain("stream", path, "--state", state).out
    texts = ["a fine", "a fine film", "dull", "dull story"]
    for line, row in zip(told.splitlines(), made.predict_proba(texts), strict=True):
        found = json.loads(line)
        assert found["label"] == made.classes_[row.argmax()]
        assert found["probability"] == pytest.approx(row.max(), abs=2e-4)
    assert "3 steps, p50" in ended.err


BAD = {
    "empty": ("", "is empty"),
    "one column": ("text\nx\n", "received the one column 'text'"),
    "one label": ("text,label\na,x\nb,x\n", "received only 'x'"),
    "rare label": ("text,label\na,x\nb,x\nc,x\nd,y\n", "'y' occurs 1 times"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_one_line_and_leaves_nothing(case, tmp_path, refused):
    content, message = BAD[case]
    (tmp_path / "a.csv").write_text(content)
    output = tmp_path / "made.refrain"
    assert message in refused("train", "sentiment", tmp_path / "a.csv", "-o", output)
    assert os.listdir(tmp_path) == ["a.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--label", "nothing"], "no column 'nothing'"),
        (["--pooling", "min"], "pooling: expected one of mean_max"),
        (["--cell", "gro"], "unknown cell 'gro'"),
        (["--vectors", "none.txt"], "cannot read none.txt"),
        (["--units", "0"], "Invalid value for '--units'"),
        (["--config", "none.toml"], "cannot read none.toml"),
    ],
)
def test_wrong_options_are_one_line_and_leave_nothing(
    arguments, message, tmp_path, folder, refused
):
    output = tmp_path / "made.refrain"
    line = refused(
        "train", "sentiment", folder / "reviews.csv", "-o", output, "-q", *arguments
    )
    assert message in line
    assert not os.listdir(tmp_path)


def test_an_unknown_key_of_a_configuration_is_named(tmp_path, folder, refused):
    (tmp_path / "job.toml").write_text("unit = 4\n")
    line = refused(
        "train", "sentiment", folder / "reviews.csv", "--config", tmp_path / "job.toml"
    )
    assert "there is no option unit; did you mean units?" in line


def test_a_file_that_is_no_model_is_refused(tmp_path, folder, refused):
    assert "expected a file that refrain wrote" in refused(
        "predict", folder / "more.csv"
    )
    assert "cannot read" in refused("evaluate", tmp_path / "none", folder / "more.csv")


def test_the_page_tells_all_options():
    page = (Path(__file__).parents[2] / "docs" / "sentiment.md").read_text()
    for field in dataclasses.fields(TextJob):
        option = field.name.replace("_", "-")
        row = next(line for line in page.splitlines() if f"| `--{option}" in line)
        if isinstance(field.default, (int, float)) and field.default is not True:
            assert f"| {field.default} |" in row
