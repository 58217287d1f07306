import math
from dataclasses import replace

import numpy as np
import pytest

from refrain.compare.forecasts import forecast_contest, series_contest
from refrain.compare.run import run
from refrain.errors import DataError
from refrain.study.candidates import find_candidates
from refrain.study.training import Budget
from refrain.tasks.forecast.design import Wishes
from refrain.tasks.series import clean
from tests.tasks.series import seasonal, write_csv

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

QUICK = Budget(epochs=3, seed=1)


@pytest.fixture(scope="module")
def contest():
    return series_contest(seasonal())


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
    contest = series_contest(series)
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
    found = series_contest(series, Wishes(season=1), max_windows=20)
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
    found = series_contest(series, Wishes(season=8))
    assert [metric.name for metric in found.metrics] == ["MAE", "RMSE"]
    assert all(math.isnan(entry.fixed["MASE"]) for entry in found.baselines)
    assert any(note.startswith("no MASE") for note in found.notes)


def test_columns_of_no_file_are_refused():
    with pytest.raises(DataError, match="choose columns of a FILE; none was given"):
        forecast_contest(target="v")


def test_filled_in_targets_are_learnt_and_not_judged():
    values = seasonal().values.copy()
    values[[60, 120, 150]] = np.nan
    series = clean("v", "test", values)
    found = series_contest(series, Wishes(season=8, horizon=4))
    for _, targets in (found.training, found.validation, found.held_out):
        assert np.isfinite(targets).all()
    truth = found.exhibit.truth
    assert [len(truth) - k for k, v in enumerate(truth) if v is None] == [40, 10]
    other = replace(series, values=series.values.copy())
    other.values[150] += 1000
    again = series_contest(other, Wishes(season=8, horizon=4))
    assert again.baselines[0].fixed == found.baselines[0].fixed


def test_a_picture_has_a_forecast_where_none_ends_with_the_series():
    values = seasonal().values.copy()
    values[[127, 135, 143, 151]] = np.nan  # those that such a forecast would start from
    found = series_contest(clean("v", "test", values), Wishes(season=8, horizon=8))
    assert len(found.exhibit.starts) == 1
    assert np.shape(found.baselines[0].shown) == (1, 8)


def test_a_constant_training_part_is_refused():
    series = clean("v", "test", np.r_[np.full(80, 5.0), np.arange(20.0)])
    with pytest.raises(DataError, match=r"the first 65 points, is constant \(5\)"):
        series_contest(series)


def test_a_test_part_without_observed_origins_is_refused():
    values = seasonal(100).values.copy()
    values[79:99] = np.nan
    series = clean("v", "test", values)
    with pytest.raises(DataError, match="no window ends on an observed value"):
        series_contest(series, Wishes(season=1))


def test_a_comparison_is_of_one_series(tmp_path):
    rows = "".join(f"{k % 7},{k % 5}\n" for k in range(99))
    file = write_csv(tmp_path, "a,b\n" + rows)
    with pytest.raises(DataError, match="expected one series, found a, b; keep one"):
        forecast_contest(str(file), target="a,b")
