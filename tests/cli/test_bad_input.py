"""Whatever is wrong with what a user gives: one line, code 2, nothing half-done."""

import io
import json
import warnings
from importlib.util import find_spec

import pandas as pd
import pytest

from refrain.tasks import Forecaster, SentimentClassifier
from tests.tasks.forecast.tables import long_table
from tests.tasks.text.reviews import reviews, write_reviews

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

DAYS = "".join(f"2024-01-{k:02},{k * k % 7}\n" for k in range(1, 29))
REVIEWS = "".join(f"a fine film {k},good\na dull film {k},bad\n" for k in range(9))
# Content of the file, arguments, and what the line says.
FORECASTS = {
    "empty": (b"", (), "is empty"),
    "names alone": (b"ds,y\n", (), "expected rows below the column names"),
    "no names": (b"1,2\n3,4\n", (), "the first line holds numbers"),
    "delimiter": (b"ds y\n2024-01-01 1\n", (), "expected numbers, received '2024-01"),
    "unknown target": (f"ds,y\n{DAYS}", ("--target", "z"), "no column 'z'"),
    "unknown time": (f"ds,y\n{DAYS}", ("--time", "day"), "no column 'day'"),
    "unknown covariate": (f"ds,y\n{DAYS}", ("--future", "f"), "no column 'f'"),
    "text": (f"ds,y\n{DAYS}2024-01-29,high\n", ("--target", "y"), "received 'high'"),
    "comma decimals": (b'ds,y\n2024-01-01,"1,5"\n2024-01-02,"2,5"\n', (), "decimal po"),
    "all the same": (b"y\n" + 60 * b"3\n", (), "'y' is constant"),
    "nothing known": (
        b"ds,y\n2024-01-01,\n2024-01-02,\n",
        ("--target", "y"),
        "missing",
    ),
    "dates twice": (f"ds,y\n{DAYS}2024-01-03,5\n", (), "occurs more than once"),
    "no dates": (f"ds,y\n{DAYS}soon,5\n", (), "expected dates such as"),
    "long horizon": (f"ds,y\n{DAYS}", ("--horizon", "40"), "is too short"),
    "no UTF-8": (f"ds,y\n{DAYS}".encode("utf-16"), (), "expected UTF-8 text"),
    "Latin-1": ("ds,größe\n".encode("latin-1") + DAYS.encode(), (), "expected UTF-8"),
    "late Latin-1": (f"ds,y\n{DAYS}2024-01-29,\xfc\n".encode("latin-1"), (), "UTF-8"),
    "ragged": (f"ds,y\n{DAYS}2024-01-29,1,2\n", (), "fields"),
}
TEXTS = {
    "empty": (b"", (), "is empty"),
    "names alone": (b"text,label\n", (), "expected rows below the column names"),
    "delimiter": (b"text:label\na:b\n", (), "received the one column 'text:label'"),
    "unknown text": (f"text,label\n{REVIEWS}", ("--text", "t"), "no column 't'"),
    "unknown label": (f"text,label\n{REVIEWS}", ("--label", "l"), "no column 'l'"),
    "label as text": (
        f"text,label\n{REVIEWS}",
        ("--text", "label", "--label", "label"),
        "cannot be both the text and the label",
    ),
    "one class": (b"text,label\na,x\nb,x\nc,x\n", (), "received only 'x'"),
    "rare class": (f"text,label\n{REVIEWS}odd,odd\n", (), "'odd' occurs 1 times"),
    "no label": (b"text,label\na fine film,\n", (), "no row has a text or label"),
    "rare words": (f"text,label\n{REVIEWS}", ("--min-count", "99"), "no word occurs"),
    "no UTF-8": (f"text,label\n{REVIEWS}".encode("utf-16"), (), "expected UTF-8 text"),
    "late Latin-1": ("text,label\na,b\nü,b\n".encode("latin-1"), (), "UTF-8"),
}
CASES = [("forecast", case) for case in FORECASTS] + [
    ("sentiment", case) for case in TEXTS
]


@pytest.mark.parametrize(("job", "case"), CASES)
def test_a_file_that_cannot_serve(job, case, tmp_path, refused):
    content, arguments, message = {"forecast": FORECASTS, "sentiment": TEXTS}[job][case]
    file = tmp_path / "a.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    output = tmp_path / "made.refrain"
    line = refused("train", job, file, "-o", output, *arguments)
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize("job", ["forecast", "sentiment"])
def test_files_and_folders_that_are_not_there(job, tmp_path, refused):
    assert "no such file" in refused("train", job, tmp_path / "none.csv")
    content = f"ds,y\n{DAYS}" if job == "forecast" else f"text,label\n{REVIEWS}"
    (tmp_path / "a.csv").write_text(content)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    train = ("train", job, tmp_path / "a.csv", "-o")
    assert "is a folder" in refused(*train, tmp_path / "folder")
    assert "it is a file" in refused(*train, tmp_path / "file" / "made.refrain")
    assert "a folder" in refused("train", job, tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("a.csv", "file", "folder")
    ]


@pytest.mark.parametrize("job", ["forecast", "sentiment"])
def test_a_model_replaces_neither_its_data_nor_its_report(job, tmp_path, refused):
    data = tmp_path / "a.csv"
    content = f"ds,y\n{DAYS}" if job == "forecast" else f"text,label\n{REVIEWS}"
    data.write_text(content)
    same = tmp_path / "other" / ".." / "a.csv"
    (tmp_path / "other").mkdir()
    assert "holds the data" in refused("train", job, data, "-o", same)
    line = refused("train", job, data, "-o", tmp_path / "made.html")
    assert "is the name of the report" in line
    assert data.read_text() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "other"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two small models, and data for each of them."""
    folder = tmp_path_factory.mktemp("models")
    table = long_table(2).drop(columns=["weather", "kind"])
    table.to_csv(folder / "sales.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of so few data
        made = Forecaster(future="promotion", horizon=3, epochs=1, units=2, ets=False)
        made.fit(table).save(folder / "forecast.refrain")
    texts, labels = reviews(40)
    write_reviews(folder / "reviews.csv", texts, labels)
    classifier = SentimentClassifier(units=2, epochs=1, min_count=1)
    about = {"text": "text", "label": "label"}
    classifier.fit(texts, labels).save(folder / "sentiment.refrain", about)
    whole = (folder / "forecast.refrain").read_bytes()
    (folder / "cut.refrain").write_bytes(whole[:-200])
    changed = bytearray(whole)
    changed[len(whole) // 2] ^= 255
    (folder / "changed.refrain").write_bytes(bytes(changed))
    (folder / "empty.refrain").touch()
    (folder / "high.csv").write_text("unique_id,ds,y,promotion\na,2024-01-01,x,0\n")
    (folder / "short.csv").write_text(
        "unique_id,ds,y,promotion\na,2024-01-01,1,0\na,2024-01-02,2,0\n"
    )
    (folder / "odd.csv").write_text("text,label\na fine film,purple\n")
    return folder


MODELS = {
    "no model": ("none.refrain", "sales.csv", "cannot read"),
    "cut": ("cut.refrain", "sales.csv", "damaged"),
    "changed": ("changed.refrain", "sales.csv", "damaged"),
    "empty": ("empty.refrain", "sales.csv", "damaged"),
    "a table": ("sales.csv", "sales.csv", "damaged"),
    "no data": ("forecast.refrain", "none.csv", "no such file"),
    "texts to forecast": ("forecast.refrain", "reviews.csv", "no column"),
    "text to forecast": ("forecast.refrain", "high.csv", "received 'x'"),
    "too short": ("forecast.refrain", "short.csv", "expected at least"),
    "no texts": ("sentiment.refrain", "none.csv", "no such file"),
    "no text column": ("sentiment.refrain", "sales.csv", "no column 'text'"),
}


@pytest.mark.parametrize("command", ["predict", "evaluate"])
@pytest.mark.parametrize("case", MODELS)
def test_a_model_or_data_that_cannot_serve(command, case, folder, refused):
    model, data, message = MODELS[case]
    assert message in refused(command, folder / model, folder / data)


def test_a_label_that_was_not_learnt(folder, refused):
    line = refused("evaluate", folder / "sentiment.refrain", folder / "odd.csv")
    assert "the label 'purple' is not one that the classifier has learnt" in line


def test_nothing_known_in_advance(folder, refused, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    line = refused("predict", folder / "forecast.refrain")
    assert "expected 3 rows after the last value" in line


def test_standard_input_that_is_no_text(folder, refused, monkeypatch):
    for model in ("forecast.refrain", "sentiment.refrain"):
        # As Python reads standard input where the locale is that of C.
        bytes_in = io.BytesIO(b"\xff\xfe\xff\n")
        odd = io.TextIOWrapper(bytes_in, encoding="ascii", errors="surrogateescape")
        monkeypatch.setattr("sys.stdin", odd)
        line = refused("predict", folder / model)
        assert "standard input: line 1: expected UTF-8 text, found other" in line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("units = \n", "not TOML"),
        ("units = 2.5\n", "units: expected a whole number, received 2.5"),
        ("unitz = 2\n", "job.toml: there is no option unitz; did you mean units?"),
        ("quiet = true\n", "job.toml: quiet is given on the command line, as --quiet"),
        ("[network]\nunits = 2\n", "received the table [network]"),
        ("cell = 'gro'\n", "unknown cell 'gro'"),
    ],
)
@pytest.mark.parametrize("job", ["forecast", "sentiment"])
def test_a_configuration_that_cannot_serve(
    job, text, message, tmp_path, folder, refused
):
    config = tmp_path / "job.toml"
    config.write_text(text)
    data = {"forecast": "sales.csv", "sentiment": "reviews.csv"}[job]
    line = refused(
        *("train", job, folder / data, "-o", tmp_path / "m.refrain"),
        *("--config", config, "-q"),
    )
    assert message in line
    assert [path.name for path in tmp_path.iterdir()] == ["job.toml"]


@pytest.mark.parametrize(
    ("job", "data", "options"),
    [
        ("forecast", "sales.csv", ("--horizon", 3, "--no-ets")),
        ("sentiment", "reviews.csv", ("--min-count", 1)),
    ],
)
def test_tensorboard_works_or_says_what_it_needs(
    job, data, options, folder, refrain, tmp_path
):
    board, output = tmp_path / "board", tmp_path / "m.refrain"
    small = ("--units", 2, "--epochs", 1, "-o", output, *options)
    ended = refrain("train", job, folder / data, "--tensorboard", board, *small)
    absent = [n for n in ("tensorflow", "tensorboard") if find_spec(n) is None]
    if absent:
        assert ended.code == 2
        assert f"--tensorboard needs {' and '.join(absent)}" in ended.err
        assert not list(tmp_path.iterdir())
    else:
        assert ended.code == 0, ended.err
        assert list(board.rglob("events.*"))


def test_a_stream_of_what_is_none(folder, refused):
    line = refused("stream", folder / "sentiment.refrain")
    assert "needs the whole text at once; train one with" in line
    line = refused("stream", folder / "sentiment.refrain", "--series", "shop 0")
    assert "--series: a text classifier has no series" in line
    line = refused("stream", folder / "forecast.refrain")
    assert "name one (--series) of shop 0, shop 1" in line
    line = refused("stream", folder / "forecast.refrain", "--series", "shop 0")
    assert "expected 3 rows after the last value" in line
    assert "(promotion); give a table that ends with them" in line
    sales = ("--data", folder / "sales.csv")
    line = refused("stream", folder / "sentiment.refrain", *sales)
    assert "--data: a text classifier has no series" in line
    line = refused("stream", folder / "changed.refrain")
    assert "damaged" in line


def test_what_is_known_in_advance_comes_with_newer_data(
    folder, refrain, monkeypatch, tmp_path
):
    table = pd.read_csv(folder / "sales.csv")
    own = table[table.unique_id == "shop 1"]
    days = pd.date_range("2024-03-31", periods=4).astype(str)
    later = pd.DataFrame({"unique_id": "shop 1", "ds": days, "promotion": [0, 1, 1, 0]})
    newer = tmp_path / "newer.csv"
    pd.concat([own, later]).to_csv(newer, index=False)
    stream = ("stream", folder / "forecast.refrain", "--series", "shop 1")
    monkeypatch.setattr("sys.stdin", io.StringIO('{"y": 20.5, "promotion": 0}\n'))
    found = json.loads(refrain(*stream, "--data", newer).out)
    later.loc[0, "y"] = 20.5
    pd.concat([own, later]).to_csv(newer, index=False)
    expected = refrain("predict", folder / "forecast.refrain", newer).out
    expected = pd.read_csv(io.StringIO(expected))
    assert found["forecast"] == pytest.approx(expected.forecast.tolist(), rel=2e-5)


def test_figures_are_numbers(folder, refrain):
    ended = refrain("evaluate", folder / "sentiment.refrain", folder / "reviews.csv")
    assert "accuracy" in ended.out
    ended = refrain(
        "evaluate", folder / "forecast.refrain", folder / "sales.csv", "--json"
    )
    assert {"mae", "mae of naive"} <= set(json.loads(ended.out))
