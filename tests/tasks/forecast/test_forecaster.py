import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import TimeSeriesSplit, cross_val_score

from refrain.errors import DataError, RefrainError
from refrain.tasks import Forecaster
from tests.tasks.forecast.tables import long_table
from tests.tasks.series import DATA

pytestmark = [
    # Keras's own, when it reads a variable on JAX with NumPy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
    # Of the short series here.
    pytest.mark.filterwarnings("ignore:the 90 % interval needs"),
]

OPTIONS = {
    "past": "weather",
    "future": "promotion",
    "static": "kind",
    "horizon": 4,
    "units": 8,
    "epochs": 25,
    "batch_size": 16,
    "learning_rate": 0.01,
    "ets": False,
}


def with_future(table: pd.DataFrame, steps: int = 4) -> pd.DataFrame:
    """The table with rows that tell promotions to come, every day one."""
    parts = []
    for name, own in table.groupby("unique_id"):
        start = pd.Timestamp(own.ds.iloc[-1]) + pd.Timedelta(days=1)
        days = pd.date_range(start, periods=steps).astype(str)
        rows = {
            "unique_id": name,
            "ds": days,
            "promotion": 1.0,
            "kind": own.kind.iloc[0],
        }
        parts.append(pd.concat([own, pd.DataFrame(rows)]))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def trained():
    return Forecaster(**OPTIONS).fit(with_future(long_table()))


def test_the_network_beats_every_baseline_where_promotions_tell(trained):
    own, *others = trained.backtest_.errors.values()
    assert list(trained.backtest_.errors) == [
        *("gru", "naive", "seasonal naive", "drift")
    ]
    assert all(own["mase"] < 0.5 * other["mase"] for other in others)
    assert 0.5 < own["coverage"] <= 1
    assert trained.score() == -own["mase"]
    assert trained.backtest_.beaten


def test_forecasts_go_on_from_the_end(trained):
    found = trained.predict()
    assert list(found.columns[:3]) == ["unique_id", "ds", "forecast"]
    assert found.unique_id.unique().tolist() == ["shop 0", "shop 1", "shop 2"]
    assert found.ds[:4].tolist() == [f"2024-03-{day}" for day in (31,)] + [
        f"2024-04-0{day}" for day in (1, 2, 3)
    ]
    levels = found[[c for c in found if c.startswith("q")]].to_numpy()
    assert (np.diff(levels, axis=1) >= 0).all()
    np.testing.assert_array_equal(found["forecast"], found["q0.5"])


def test_what_is_known_in_advance_changes_the_forecast(trained):
    table = with_future(long_table())
    with_promotion = trained.predict(table).forecast
    later = table.y.isna()
    table.loc[later, "promotion"] = 0.0
    without = trained.predict(table).forecast
    assert (with_promotion - without).mean() == pytest.approx(4, abs=1.2)


def test_new_data_of_the_same_values_forecasts_the_same(trained):
    again = trained.predict(with_future(long_table()))
    pd.testing.assert_frame_equal(again, trained.predict())


def test_rows_that_tell_what_comes_must_reach_the_horizon(trained):
    with pytest.raises(DataError, match=r"expected 4 rows after the last value.*promo"):
        trained.predict(with_future(long_table(), steps=2))


def test_a_saved_forecaster_is_the_same(trained, tmp_path):
    again = Forecaster.load(trained.save(tmp_path / "shops.refrain"))
    pd.testing.assert_frame_equal(again.predict(), trained.predict())
    assert again.get_params() == trained.get_params()
    assert again.backtest_ == trained.backtest_
    table = with_future(long_table())
    assert again.evaluate(table).errors["gru"] == pytest.approx(
        trained.evaluate(table).errors["gru"]
    )


def test_the_backtest_of_the_same_table_is_that_of_the_training(trained):
    again = trained.evaluate(with_future(long_table()))
    assert again.errors["gru"] == pytest.approx(trained.backtest_.errors["gru"])
    assert again.errors["naive"] == pytest.approx(trained.backtest_.errors["naive"])


def test_the_same_seed_gives_the_same_forecaster():
    values = long_table(1, 200).y.to_numpy()
    options = {"horizon": 3, "window": 6, "epochs": 2, "units": 4, "ets": False}
    one, two, other = (
        Forecaster(**options, seed=seed).fit(values).predict() for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, two)
    assert not np.array_equal(one.forecast, other.forecast)


@pytest.mark.parametrize(
    "options",
    [
        {"form": "encoder-decoder", "cell": "bilstm"},
        {"cell": "mgu", "layers": 2, "dropout": 0.2},
        {"cell": "auto", "epochs": 1},
    ],
    ids=str,
)
def test_forms_and_cells_train_and_come_back(options, tmp_path):
    options = {
        "horizon": 3,
        "window": 6,
        "epochs": 2,
        "units": 4,
        "ets": False,
    } | options
    made = Forecaster(**options).fit(long_table(1, 200).y.to_numpy())
    again = Forecaster.load(made.save(tmp_path / "m.refrain"))
    pd.testing.assert_frame_equal(again.predict(), made.predict())
    assert made.predict().ds.tolist() == [1, 2, 3]


def test_a_search_sets_options_and_goes_on_where_it_stood(tmp_path):
    values = long_table(1, 200).y.to_numpy()
    options = {"horizon": 3, "window": 6, "epochs": 1, "ets": False}
    trained, names, told = [], [], []

    def report(name, progress):
        trained.append(progress.epoch)
        names.append(name)

    ended = keras.callbacks.LambdaCallback(on_train_end=lambda _: told.append(1))
    fit = {"checkpoints": tmp_path, "trials": 2, "report": report}
    fit["callbacks"] = [ended]
    one = Forecaster(**options).fit(values, **fit)
    assert one.get_params()["units"] != Forecaster().units
    assert list(dict.fromkeys(names)) == ["trial 1: GRU", "trial 2: GRU", "GRU"]
    assert told == [1]  # of the final network alone
    before = len(trained)
    two = Forecaster(**options).fit(values, **fit)
    assert two.get_params() == one.get_params()
    pd.testing.assert_frame_equal(one.predict(), two.predict())
    assert sum(trained[before:]) <= 1  # nothing but the final network is looked at


def test_few_windows_are_told():
    values = np.random.default_rng(3).normal(size=36).cumsum() + 50
    with pytest.warns(UserWarning, match="only 1. training windows: too few"):
        made = Forecaster(epochs=2, units=4, ets=False).fit(values)
    assert "too few" in made.notes_[0]


def test_a_network_that_loses_says_so():
    random = np.random.default_rng(4).normal(size=300).cumsum()  # nothing to learn
    made = Forecaster(epochs=1, units=2, horizon=2, window=4).fit(random)
    if not made.backtest_.beaten:
        assert (
            "errs less than the network on the test part: use that" in made.notes_[-1]
        )
    errors = made.backtest_.errors
    assert made.backtest_.beaten == all(
        errors["gru"]["mase"] < errors[name]["mase"]
        for name in ("naive", "drift", "ETS")
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 0}, "horizon: expected 1 or more, received 0"),
        ({"quantiles": "0.1,0.9"}, "quantiles: expected rising levels"),
        ({"form": "both"}, "form: expected one of direct, encoder-decoder"),
        ({"cell": "foo"}, "unknown cell 'foo'"),
    ],
)
def test_options_that_cannot_be_are_explained(options, message):
    with pytest.raises(RefrainError, match=message):
        Forecaster(**options).fit(np.arange(50.0))


@pytest.mark.filterwarnings("ignore:only .* training windows")
def test_scikit_learn_can_copy_change_and_judge_it():
    made = clone(Forecaster(ets=False).set_params(units=5, cell="lstm"))
    assert made.get_params()["units"] == 5
    assert "units=5" in repr(made)
    with pytest.raises(ValueError, match="Invalid parameter 'unit' for estimator"):
        made.set_params(unit=5)
    for kind in (NotFittedError, RefrainError):
        with pytest.raises(kind, match="Forecaster is not trained; call fit first"):
            made.predict()
    short = made.set_params(horizon=3, window=6, epochs=1)
    scores = cross_val_score(
        short, long_table(1, 240)[["ds", "y"]], cv=TimeSeriesSplit(3)
    )
    assert (scores < 0).all()


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are absent")
def test_shampoo_works_and_does_not_pretend():
    with pytest.warns(UserWarning, match="only 16 training windows"):
        made = Forecaster(epochs=5).fit(DATA / "shampoo.csv")
    assert len(made.predict()) == made.layout_.horizon == 3
    assert any("use that" in note for note in made.notes_) or made.backtest_.beaten
