from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest

from refrain.compare.drawings import colours_of
from refrain.compare.picture import draw, write_picture
from tests.compare.comparisons import classes, comparison, entry, run

NETWORKS = (
    ("rnn", "simple RNN"),
    ("lstm", "LSTM"),
    ("gru", "GRU"),
    ("bilstm", "BiLSTM"),
    ("mgu", "MGU"),
)
DATES = [f"2024-01-0{k}" for k in range(1, 7)]


def lines(axes, label):
    return [line for line in axes.get_lines() if line.get_label() == label]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_each_network_has_a_panel_besides_curves_and_scores(count):
    axes = draw(comparison(*NETWORKS[:count])).get_axes()
    titles = [a.get_title(loc="left") for a in axes]
    assert titles[:count] == [name for _, name in NETWORKS[:count]]
    assert titles[count].startswith("Learning curves")
    assert titles[count + 1].startswith("MASE on the held-out part (lower")
    assert len(axes) == count + 2


@pytest.mark.parametrize("times", [None, DATES], ids=["numbers", "dates"])
def test_the_file_is_a_picture(tmp_path, times):
    found = comparison(*NETWORKS[:1], times=times)
    write_picture(found, tmp_path / "picture.png")
    pixels = matplotlib.image.imread(tmp_path / "picture.png")
    assert pixels.shape[1] == 1650
    assert len(np.unique(pixels.reshape(-1, pixels.shape[-1]), axis=0)) > 20


def test_a_gap_of_the_truth_is_a_gap_of_its_line():
    truth = [1.0, 2.0, None, 2.0, None, 2.0]
    panel = draw(comparison(("gru", "GRU"), truth=truth)).get_axes()[0]
    (line,) = lines(panel, "truth")
    np.testing.assert_array_equal(line.get_ydata(), np.array(truth, float))


def test_forecasts_lie_over_the_points_that_they_are_for():
    found = comparison(("gru", "GRU"))
    panel = draw(found).get_axes()[0]
    colour = colours_of(found)["gru"]
    (first,) = lines(panel, "GRU")
    assert first.get_xdata().tolist() == [2, 3]
    assert first.get_ydata().tolist() == [1.5, 1.5]
    drawn = [line for line in panel.get_lines() if line.get_color() == colour]
    assert [line.get_xdata().tolist() for line in drawn] == [[2, 3], [4, 5]]
    assert lines(panel, "naive")


def test_a_forecast_of_one_value_is_seen_as_a_point():
    panel = draw(comparison(("gru", "GRU"), horizon=1)).get_axes()[0]
    (first,) = lines(panel, "GRU")
    assert first.get_marker() == "."


def test_networks_have_colours_of_their_own_and_baselines_none():
    found = colours_of(comparison(*NETWORKS, ("own", "own"), ("other", "other")))
    assert len(set(found.values())) == len(found)
    alone = colours_of(comparison(("gru", "GRU"), ("mgu", "MGU")))
    assert alone["gru"] == found["gru"]


def test_a_score_that_is_not_defined_is_not_drawn():
    found = comparison(("gru", "GRU"), values={"gru": [float("nan")]})
    axes = draw(found).get_axes()[-1]
    assert [bar.get_width() for bar in axes.patches] == [1.0]


def test_the_spread_of_the_seeds_is_drawn_on_bars_and_curves():
    found = comparison(("gru", "GRU"), values={"gru": [0.4, 0.6]})
    *_, curves, bars = draw(found).get_axes()
    assert len(curves.collections) == len(bars.collections) == 1
    *_, curves, bars = draw(comparison(("gru", "GRU"))).get_axes()
    assert not curves.collections
    assert not bars.collections


def test_a_curve_is_the_mean_of_the_runs_that_came_so_far():
    runs = (run(0, losses=(4.0, 2.0), MASE=1.0), run(1, losses=(2.0,), MASE=1.0))
    found = comparison(("gru", "GRU"))
    gru = replace(found.entries[1], runs=runs)
    curves = draw(replace(found, entries=(gru,), exhibit=None)).get_axes()[0]
    (line,) = lines(curves, "GRU")
    assert line.get_ydata().tolist() == [3.0, 2.0]


def test_one_epoch_and_a_loss_that_is_not_finite_can_be_drawn():
    found = comparison(("gru", "GRU"))
    for losses in ((0.5,), (float("nan"), 0.5), (float("inf"), 0.5)):
        changed = replace(found.entries[1].runs[0].training, validation_loss=losses)
        changed = replace(
            changed, epochs=len(losses), best_epoch=len(losses), loss=losses
        )
        gru = found.entries[1]
        gru = replace(gru, runs=(replace(gru.runs[0], training=changed),))
        figure = draw(replace(found, entries=(found.entries[0], gru)))
        low, high = figure.get_axes()[1].get_ylim()
        assert low < 0.5 < high


def test_confusions_are_counts_in_boxes():
    panel, *_ = draw(classes(("gru", "GRU"), ("lstm", "LSTM"))).get_axes()
    texts = [text.get_text() for text in panel.texts]
    assert texts == ["8", "1", "1", "0", "10", "0", "5", "0", "5"]
    strong = [box.get_alpha() for box in panel.patches]
    assert max(strong) == strong[4]


def test_a_network_without_runs_has_no_panel():
    found = comparison(("gru", "GRU"))
    failed = entry("lstm", "LSTM", [], faults=("seed 0: diverged",))
    axes = draw(replace(found, entries=(*found.entries, failed))).get_axes()
    assert len(axes) == 3
