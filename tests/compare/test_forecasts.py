import math

import numpy as np
import pytest

from refrain.compare.forecasts import forecast_contest, series_contest
from refrain.compare.run import run
from refrain.errors import DataError
from refrain.study.candidates import find_candidates
from refrain.study.training import Budget
from refrain.tasks.series import clean
from refrain.tasks.windows import frame
from tests.tasks.series import seasonal

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

QUICK = Budget(epochs=3, seed=1)


@pytest.fixture(scope="module")
def contest():
    series = seasonal()
    return series_contest(series, frame(series))


@pytest.fixture(scope="module")
def quick(contest):
    (gru,) = find_candidates("gru")
    return run(contest, gru, 8, QUICK)


def test_every_forecast_has_every_error(contest, quick):
    assert [entry.key for entry in contest.baselines] == ["naive", "seasonal"]
    for errors in (*(entry.fixed for entry in contest.baselines), quick.scores):
        assert set(errors) == {"MAE", "RMSE", "MASE"}
        assert all(math.isfinite(error) for error in errors.values())
        assert errors["MAE"] <= errors["RMSE"]
    assert contest.metrics[0].name == "MASE"


def test_the_same_seed_gives_the_same_figures(contest, quick):
    (gru,) = find_candidates("gru")
    again = run(contest, gru, 8, QUICK)
    assert (again.scores, again.shown) == (quick.scores, quick.shown)
    other = run(contest, gru, 8, Budget(epochs=3, seed=2))
    assert other.scores != quick.scores


def test_trained_networks_beat_both_baselines_on_what_they_can_learn():
    # The swing of the wave changes within three seasons: neither the last value nor
    # the last season is right, and the two seasons of a window tell all.
    time = np.arange(500)
    wave = (2 + np.sin(time / 5)) * np.sin(2 * np.pi * time / 12)
    series = clean("wave", "test", wave)
    contest = series_contest(series, frame(series))
    naive, seasonal_naive = contest.baselines
    for network in find_candidates("rnn,lstm,gru"):
        found = run(contest, network, 16, Budget(epochs=40))
        assert found.scores["MAE"] < 0.5 * seasonal_naive.fixed["MAE"]
        assert found.scores["MAE"] < 0.2 * naive.fixed["MAE"]


def test_traces_hold_the_truth_and_each_block(contest, quick):
    series, traces = seasonal(), contest.exhibit
    shown = len(traces.truth)
    assert traces.truth == series.values[-shown:].tolist()
    horizon = contest.facts["horizon"]
    assert traces.starts[-1] == shown - horizon
    assert set(np.diff(traces.starts)) == {horizon}
    for rows in (quick.shown, *(entry.shown for entry in contest.baselines)):
        assert np.shape(rows) == (len(traces.starts), horizon)


def test_what_was_done_is_said():
    values = seasonal(200).values.copy()
    values[50:53] = np.nan
    series = clean("v", "test", values)
    found = series_contest(series, frame(series, season=1), max_windows=20)
    assert found.facts["missing"] == 3
    assert found.facts["treatment"][0].startswith("3 missing values (1.5 %)")
    assert any("20 of" in note for note in found.notes)
    assert any("no seasonal naive forecast" in note for note in found.notes)
    assert [entry.key for entry in found.baselines] == ["naive"]
    assert found.facts["split"]["training"]["windows"] == 20


def test_without_mase_the_first_figure_is_mae():
    values = np.tile(np.arange(8.0), 30)
    values[190:] += np.random.default_rng(0).normal(size=50)  # in the test part alone
    series = clean("v", "test", values)
    found = series_contest(series, frame(series, season=8))
    assert [metric.name for metric in found.metrics] == ["MAE", "RMSE"]
    assert all(math.isnan(entry.fixed["MASE"]) for entry in found.baselines)
    assert any(note.startswith("no MASE") for note in found.notes)


def test_columns_of_no_file_are_refused():
    with pytest.raises(DataError, match="choose columns of a FILE; none was given"):
        forecast_contest(target="v")
