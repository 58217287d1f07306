"""A stream forecasts what `predict` forecasts of the whole series, after each value."""

import json

import numpy as np
import pandas as pd
import pytest

from refrain.errors import DataError, StreamError
from refrain.files import read_arrays, write_arrays
from refrain.tasks import Forecaster
from refrain.tasks.job import registry
from refrain.tasks.job.file import LARGEST
from tests.tasks.forecast.tables import long_table

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
    pytest.mark.filterwarnings("ignore:the 90 % interval needs"),
    pytest.mark.filterwarnings("ignore:only .* training windows"),
]

POINTS, SEEN = 130, 100
OPTIONS = {
    "past": "weather",
    "future": "promotion",
    "static": "kind",
    "horizon": 4,
    "units": 5,
    "epochs": 3,
    "batch_size": 16,
    "learning_rate": 0.02,
    "ets": False,
}


def sales(gap: bool = False) -> pd.DataFrame:
    """Two shops; with a gap in the part that training sees, and one after it."""
    table = long_table(2, POINTS)
    if gap:
        day = table.groupby("unique_id").cumcount()
        table.loc[day.isin([30, 31, 110, 111, 112]), "y"] = np.nan
        table.loc[day.isin([109, 110]), "weather"] = None
    return table


def until(table: pd.DataFrame, points: int, horizon: int = 4) -> pd.DataFrame:
    """What is known after so many points: values, and promotions over the horizon."""
    day = table.groupby("unique_id").cumcount()
    found = table[day < points + horizon].copy()
    found.loc[day >= points, ["y", "weather"]] = np.nan
    return found


def follow(stream, own: pd.DataFrame, points: range, horizon: int = 4):
    """Go on by rows of a shop, with the promotions a horizon later."""
    for k in points:
        row, later = own.iloc[k], own.iloc[k + horizon]
        covariates = {"weather": row.weather, "promotion": later.promotion}
        yield k, stream.step(row.y, covariates)


def assert_same(forecast: np.ndarray, predicted: pd.DataFrame, name: str):
    own = predicted[predicted.unique_id == name]
    expected = own[[column for column in own if column.startswith("q")]].to_numpy()
    np.testing.assert_allclose(forecast, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("gap", "options"),
    [
        (False, {}),
        (True, {"scale": "log", "layers": 2, "dropout": 0.2}),
        (True, {"form": "encoder-decoder", "cell": "lstm", "horizon": 4}),
    ],
    ids=["direct", "log and gaps", "encoder-decoder"],
)
def test_a_stream_forecasts_what_predict_does(gap, options):
    table = sales(gap)
    made = Forecaster(**OPTIONS | options).fit(until(table, SEEN))
    assert made.layout_.gaps == gap
    name = "shop 1"
    own = table[table.unique_id == name]
    stream = made.stream(name)
    assert_same(stream.forecast, made.predict(), name)
    for k, forecast in follow(stream, own, range(SEEN, POINTS - 4)):
        if k % 5 == 0 or 108 <= k <= 114:
            predicted = made.predict(until(table, k + 1))
            assert_same(forecast, predicted, name)
            expected = predicted[predicted.unique_id == name].ds.tolist()
            assert stream.times.astype(str).tolist() == expected


@pytest.fixture(scope="module")
def trained():
    values = long_table(1, POINTS).y.to_numpy()
    made = Forecaster(horizon=3, window=9, units=4, epochs=2, ets=False)
    with pytest.warns(UserWarning, match="the 90 % interval needs a validation part"):
        made.fit(values[:SEEN])
    return made, values


def test_numbers_without_dates_or_covariates(trained):
    made, values = trained
    stream = made.stream()
    for value in values[SEEN:]:
        forecast = stream.step(value)
    assert forecast.shape == (3, 5)
    assert_same(forecast, made.predict(values), "value")
    assert stream.times.tolist() == [1, 2, 3]
    # From the end of other data, and from a file.
    opened = made.stream(data=values[: SEEN + 7])
    assert_same(opened.forecast, made.predict(values[: SEEN + 7]), "value")


def test_states_go_on_in_another_stream(trained, tmp_path):
    made, values = trained
    one = made.stream()
    for value in [*values[SEEN : SEEN + 9], np.nan]:
        one.step(value)
    kept = one.state()
    again = Forecaster.load(made.save(tmp_path / "m.refrain")).stream()
    again.restore(kept)
    np.testing.assert_array_equal(one.forecast, again.forecast)
    for value in (np.nan, *values[SEEN + 11 :]):
        np.testing.assert_array_equal(one.step(value), again.step(value))
    assert one.state() == again.state()
    with pytest.raises(StreamError, match="this is damaged"):
        again.restore(kept[:-9])
    with pytest.raises(StreamError, match="this is damaged"):
        again.restore(b"something else")
    other = Forecaster(horizon=3, window=9, units=4, epochs=1, seed=1, ets=False)
    with pytest.raises(StreamError, match="belongs to another forecaster or series"):
        other.fit(values[:SEEN]).stream().restore(kept)


def test_what_cannot_be_a_stream_is_refused(trained):
    made, values = trained
    with pytest.raises(DataError, match=r"expected the covariates none, received x"):
        made.stream().step(1.0, {"x": 2})
    for wrong in ("high", np.inf, [1.0, 2.0]):
        with pytest.raises(DataError, match="the value: expected a number, received"):
            made.stream().step(wrong)
    with pytest.raises(DataError, match="no series 'b' of those trained on, value"):
        made.stream("b")
    both = Forecaster(cell="bilstm", horizon=3, window=9, units=2, epochs=1, ets=False)
    both.fit(values[:SEEN])
    with pytest.raises(StreamError, match=r"the cell bilstm cannot be a stream: .*gru"):
        both.stream()


def renamed(path, name):
    """The model file with another name for a layer of its network."""
    about, arrays = read_arrays(path, LARGEST)
    text = json.dumps(about["network"]).replace(f'"{name}"', '"other"')
    write_arrays(path, about | {"network": json.loads(text)}, arrays)
    return path


@pytest.mark.parametrize("name", ["repeated", "joined", "hidden", "quantiles"])
def test_a_network_with_other_parts_is_refused_in_one_line(trained, tmp_path, name):
    made, _ = trained
    file = renamed(made.save(tmp_path / "m.refrain"), name)
    again = Forecaster.load(file)
    pd.testing.assert_frame_equal(again.predict(), made.predict())
    with pytest.raises(StreamError, match=f"no part {name}, .*train it again"):
        registry.load(file).stream()


@pytest.mark.parametrize("series", [None, "value"])
def test_opening_a_stream_reads_its_file_once(trained, tmp_path, monkeypatch, series):
    file = trained[0].save(tmp_path / "m.refrain")
    read = []

    def count(path, largest):
        read.append(path)
        return read_arrays(path, largest)

    monkeypatch.setattr("refrain.tasks.job.file.read_arrays", count)
    registry.load(file).stream(series)
    assert read == [file]


def test_covariates_are_those_of_the_training():
    made = Forecaster(**OPTIONS | {"epochs": 1}).fit(until(sales(), SEEN))
    with pytest.raises(DataError, match=r"name one \(--series\) of shop 0, shop 1"):
        made.stream()
    stream = made.stream("shop 0")
    with pytest.raises(DataError, match="expected the covariates weather, promotion"):
        stream.step(3.0)
    with pytest.raises(DataError, match="promotion: expected a number, received 'of"):
        stream.step(3.0, {"weather": "dry", "promotion": "often"})
    # A missing one is what the last was.
    last = sales().query("unique_id == 'shop 0'").iloc[SEEN + 3].promotion
    one, two = made.stream("shop 0"), made.stream("shop 0")
    np.testing.assert_array_equal(
        one.step(20.0, {"weather": "wet", "promotion": None}),
        two.step(20.0, {"weather": "wet", "promotion": last}),
    )
