"""`refrain train forecast`, and its kind in `predict` and `evaluate`."""

import io
import json

import pandas as pd
import pytest

from refrain.tasks import Forecaster
from tests.tasks.forecast.tables import long_table

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
    pytest.mark.filterwarnings("ignore:the 90 % interval needs"),
]

CONFIG = """
horizon = 4
units = 8
batch-size = 16
learning_rate = 0.01
epochs = 3
ets = false
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecast")
    long_table().drop(columns=["promotion"]).to_csv(folder / "sales.csv", index=False)
    (folder / "job.toml").write_text(CONFIG)
    return folder


@pytest.fixture
def model(folder, refrain):
    """A model, trained by the command when it is first asked for."""
    path = folder / "model.refrain"
    if not path.exists():
        arguments = ("-o", path, "--config", folder / "job.toml", "--epochs", 4)
        ended = refrain("train", "forecast", folder / "sales.csv", *arguments)
        assert ended.code == 0, ended.err
        (folder / "told.txt").write_text(ended.out)
    return path


def test_training_tells_the_backtest_and_leaves_two_files(model):
    told = (model.parent / "told.txt").read_text()
    for name in ("gru", "naive", "seasonal naive", "drift", "3 series, 4 steps"):
        assert name in told
    too_few = "the 90 % interval needs a validation part of 19 horizons, found 9"
    assert too_few in told
    assert too_few in model.with_suffix(".html").read_text()
    assert "ETS" not in told
    assert not model.with_name("model.refrain.training").exists()
    html = model.with_suffix(".html").read_text()
    assert "refrain train forecast" in html or "pytest" in html
    assert html.count("<svg") == 4  # three series and the losses


def test_predictions_go_on_from_the_end(model, folder, refrain, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    ended = refrain("predict", model)
    assert ended.code == 0, ended.err
    found = pd.read_csv(io.StringIO(ended.out))
    assert len(found) == 12
    assert found.ds[0] == "2024-03-31"
    assert refrain("predict", model, folder / "sales.csv").out == ended.out
    monkeypatch.setattr("sys.stdin", io.StringIO((folder / "sales.csv").read_text()))
    assert refrain("predict", model, "-").out == ended.out


def test_at_a_terminal_nothing_is_waited_for(model, refrain, refused, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

        def __next__(self):
            raise AssertionError("read from the terminal")

    monkeypatch.setattr("sys.stdin", Terminal())
    assert len(refrain("predict", model).out.splitlines()) == 13
    with pytest.raises(AssertionError, match="read from the terminal"):
        refrain("predict", model, "-")
    assert "a forecaster reads no words" in refused("predict", model, "--words")


def test_a_stream_forecasts_anew_after_each_value(
    model, folder, refrain, monkeypatch, tmp_path
):
    table = pd.read_csv(folder / "sales.csv")
    own = table[table.unique_id == "shop 1"]
    days = pd.date_range("2024-03-31", periods=3).astype(str)
    values = [20.5, None, 21.25]
    later = pd.DataFrame({"unique_id": "shop 1", "ds": days, "y": values})
    state = tmp_path / "state"
    stream = ("stream", model, "--series", "shop 1", "--state", state)
    monkeypatch.setattr("sys.stdin", io.StringIO("20.5\n\nnan\n"))
    first = refrain(*stream).out.splitlines()
    assert len(first) == 2
    assert json.loads(first[0])["ds"] == json.loads(first[1])["ds"] == "2024-04-01"
    monkeypatch.setattr("sys.stdin", io.StringIO('{"y": 21.25}\n'))
    found = json.loads(refrain(*stream).out)
    pd.concat([own, later]).to_csv(tmp_path / "newer.csv", index=False)
    expected = pd.read_csv(
        io.StringIO(refrain("predict", model, tmp_path / "newer.csv").out)
    )
    assert found["ds"] == expected.ds[0] == "2024-04-03"
    for name in ("forecast", "q0.05", "q0.95"):
        assert found[name] == pytest.approx(expected[name].tolist(), rel=2e-5)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("high", "line 1: the value: expected a number, received 'high'"),
        ('{"z": 3}', 'line 1: expected a number, or an object such as {"y": 20.5}'),
        ('{"y": 3', "line 1: expected a number, or an object"),
        ('{"y": 3, "z": 4}', "expected the covariates none, received z"),
    ],
)
def test_a_value_that_is_none_is_one_line(model, line, message, refused, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{line}\n"))
    assert message in refused("stream", model, "--series", "shop 0")


def test_evaluate_tells_the_network_and_the_baselines(model, folder, refrain):
    figures = json.loads(refrain("evaluate", model, folder / "sales.csv", "--json").out)
    assert {"mase", "coverage", "mase of naive", "mae of drift"} <= set(figures)


def test_a_training_cut_off_goes_on_to_the_same_forecaster(folder, refrain, tmp_path):
    arguments = (
        "train",
        "forecast",
        folder / "sales.csv",
        "--config",
        folder / "job.toml",
        "-q",
    )
    whole, cut = tmp_path / "whole.refrain", tmp_path / "cut.refrain"
    assert refrain(*arguments, "-o", whole).code == 0

    def stop(_, progress):
        if progress.epoch == 2:
            raise KeyboardInterrupt

    options = Forecaster.load(whole).get_params()
    with pytest.raises(KeyboardInterrupt):
        Forecaster(**options).fit(
            folder / "sales.csv", report=stop, checkpoints=f"{cut}.training"
        )
    assert refrain(*arguments, "-o", cut).code == 0
    one, two = Forecaster.load(whole), Forecaster.load(cut)
    pd.testing.assert_frame_equal(one.predict(), two.predict())
    assert one.training_.loss == two.training_.loss


BAD = {
    "empty": ("", "is empty"),
    "one column": ("a b\n1 2\n", "expected numbers, received '1 2'"),
    "text": ("ds,y\n2024-01-01,1\n2024-01-02,high\n2024-01-03,2\n", "expected numbers"),
    "twice": ("ds,y\n2024-01-01,1\n2024-01-01,2\n2024-01-02,2\n", "more than once"),
    "short": ("y\n1\n2\n3\n4\n", "is too short"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_file_that_cannot_serve_ends_in_one_line(kind, tmp_path, refrain):
    text, message = BAD[kind]
    file = tmp_path / "t.csv"
    file.write_text(text)
    target = ("--target", "y") if "y\n" in text else ()
    ended = refrain("train", "forecast", file, *target, "-o", tmp_path / "m.refrain")
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--horizon", "70"), "is too short"),
        (("--past", "wether"), "did you mean 'weather'"),
        (("--quantiles", "0.1,0.9"), "quantiles: expected rising levels"),
        (("--form", "both"), "form: expected one of direct, encoder-decoder"),
    ],
)
def test_options_that_cannot_serve_end_in_one_line(
    arguments, message, folder, refrain, tmp_path
):
    output = tmp_path / "m.refrain"
    ended = refrain("train", "forecast", folder / "sales.csv", "-o", output, *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert not list(tmp_path.iterdir())
