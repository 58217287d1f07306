from dataclasses import replace

import matplotlib.image
import numpy as np
import pytest

from refrain.study.picture import draw, write_picture
from tests.study.comparisons import comparison

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
def test_each_network_has_a_panel_besides_curves_and_errors(count):
    axes = draw(comparison(*NETWORKS[:count])).get_axes()
    titles = [a.get_title(loc="left") for a in axes]
    assert titles[:count] == [name for _, name in NETWORKS[:count]]
    assert titles[count].startswith("Learning curves")
    assert titles[count + 1].startswith("MASE on the held-out part")
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
    panel = draw(comparison(("gru", "GRU"))).get_axes()[0]
    (first,) = lines(panel, "GRU")
    assert first.get_xdata().tolist() == [2, 3]
    assert first.get_ydata().tolist() == [1.5, 1.5]
    drawn = [line for line in panel.get_lines() if line.get_color() == "#009E73"]
    assert [line.get_xdata().tolist() for line in drawn] == [[2, 3], [4, 5]]
    assert lines(panel, "naive")


def test_a_forecast_of_one_value_is_seen_as_a_point():
    panel = draw(comparison(("gru", "GRU"), horizon=1)).get_axes()[0]
    (first,) = lines(panel, "GRU")
    assert first.get_marker() == "."


def test_networks_have_colours_of_their_own_and_baselines_none():
    bars = draw(comparison(*NETWORKS)).get_axes()[-1].patches
    colours = [bar.get_facecolor() for bar in bars]
    assert len(set(colours)) == len(NETWORKS) + 1
    red, green, blue, _ = colours[-1]  # drawn upwards: the baseline is last
    assert red == green == blue


def test_an_error_that_is_not_defined_is_not_drawn():
    nan = float("nan")
    errors = {"gru": {"mae": 0.5, "mase": nan}}
    found = comparison(("gru", "GRU"), errors=errors, baseline=False)
    axes = draw(found).get_axes()[-1]
    assert axes.get_title(loc="left").startswith("MAE ")
    assert [bar.get_width() for bar in axes.patches] == [0.5]


def test_one_epoch_and_a_loss_that_is_not_finite_can_be_drawn():
    found = comparison(("gru", "GRU"))
    entry = found.entries[1]
    for losses in ((0.5,), (float("nan"), 0.5), (float("inf"), 0.5)):
        training = replace(
            entry.network.training,
            epochs=len(losses),
            best_epoch=len(losses),
            loss=losses,
            validation_loss=losses,
        )
        changed = replace(entry, network=replace(entry.network, training=training))
        figure = draw(replace(found, entries=(found.entries[0], changed)))
        low, high = figure.get_axes()[1].get_ylim()
        assert low < 0.5 < high
