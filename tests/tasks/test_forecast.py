import math
from dataclasses import replace

import numpy as np
import pytest

from refrain.study.candidates import find_candidates
from refrain.study.race import Budget
from refrain.tasks.forecast import Setup, compare_forecasts
from refrain.tasks.series import clean
from refrain.tasks.windows import frame
from tests.tasks.series import seasonal

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

QUICK = Setup(units=8, budget=Budget(epochs=3, seed=1))


def figures(comparison):
    return {entry.key: entry.errors for entry in comparison.entries}


@pytest.fixture(scope="module")
def quick():
    series = seasonal()
    return compare_forecasts(
        series, frame(series), find_candidates("rnn,lstm,gru,bilstm"), QUICK
    )


def test_all_candidates_follow_the_baselines(quick):
    keys = [entry.key for entry in quick.entries]
    assert keys == ["naive", "seasonal", "rnn", "lstm", "gru", "bilstm"]
    for entry in quick.entries:
        assert set(entry.errors) == {"mae", "rmse", "mase"}
        assert all(math.isfinite(error) for error in entry.errors.values())
        assert entry.errors["mae"] <= entry.errors["rmse"]


def test_parameters_equal_those_counted_from_the_equations(quick):
    units, channels, horizon = 8, 4, 8
    cells = {
        "rnn": units * (channels + units + 1),
        "lstm": 4 * units * (channels + units + 1),
        "gru": 3 * units * (channels + units + 2),  # two biases: reset after
        "bilstm": 2 * 4 * units * (channels + units + 1),
    }
    for entry in quick.entries:
        if entry.network:
            state = units * entry.network.directions
            dense = (state + 1) * horizon
            assert entry.network.parameters == cells[entry.key] + dense


def test_the_same_seed_gives_the_same_figures(quick):
    series = seasonal()
    candidates = find_candidates("lstm,rnn")
    again = compare_forecasts(series, frame(series), candidates, QUICK)
    for key, errors in figures(again).items():
        assert errors == figures(quick)[key]
    assert again.traces.forecasts["rnn"] == quick.traces.forecasts["rnn"]
    setup = replace(QUICK, budget=replace(QUICK.budget, seed=2))
    other = compare_forecasts(series, frame(series), candidates, setup)
    assert figures(other)["rnn"] != figures(quick)["rnn"]
    assert figures(other)["naive"] == figures(quick)["naive"]


def test_trained_networks_beat_both_baselines_on_what_they_can_learn():
    # The swing of the wave changes within three seasons: neither the last value nor
    # the last season is right, and the two seasons of a window tell all.
    time = np.arange(500)
    wave = (2 + np.sin(time / 5)) * np.sin(2 * np.pi * time / 12)
    series = clean("wave", "test", wave)
    setup = Setup(units=16, budget=Budget(epochs=40))
    found = figures(
        compare_forecasts(series, frame(series), find_candidates("rnn,lstm,gru"), setup)
    )
    for network in ("rnn", "lstm", "gru"):
        assert found[network]["mae"] < 0.5 * found["seasonal"]["mae"]
        assert found[network]["mae"] < 0.2 * found["naive"]["mae"]


def test_traces_hold_the_truth_and_each_block(quick):
    series, traces = seasonal(), quick.traces
    shown = len(traces.truth)
    assert traces.truth == series.values[-shown:].tolist()
    horizon = quick.facts["horizon"]
    assert traces.starts[-1] == shown - horizon
    assert set(np.diff(traces.starts)) == {horizon}
    for rows in traces.forecasts.values():
        assert np.shape(rows) == (len(traces.starts), horizon)


def test_what_was_done_is_said():
    values = seasonal(200).values.copy()
    values[50:53] = np.nan
    series = clean("v", "test", values)
    setup = replace(QUICK, max_windows=20, budget=Budget(epochs=1))
    found = compare_forecasts(
        series, frame(series, season=1), find_candidates("rnn"), setup
    )
    assert found.facts["missing"] == 3
    assert found.facts["treatment"][0].startswith("3 missing values (1.5 %)")
    assert any("20 of" in note for note in found.notes)
    assert any("no seasonal naive forecast" in note for note in found.notes)
    assert [entry.key for entry in found.entries] == ["naive", "rnn"]
    assert found.facts["split"]["training"]["windows"] == 20


def test_progress_is_reported_before_and_after_each_epoch():
    seen = []
    series = seasonal()
    compare_forecasts(
        series,
        frame(series),
        find_candidates("rnn"),
        QUICK,
        lambda candidate, progress: seen.append((candidate.key, progress.epoch)),
    )
    assert seen == [("rnn", epoch) for epoch in range(4)]
