from dataclasses import replace

import numpy as np
import pytest

from refrain.errors import DataError
from refrain.tasks.series import bundled_series, clean
from refrain.tasks.windows import Windows, frame, thin
from tests.tasks.series import seasonal


def changed_after(series, point):
    """The same series up to a point, another one from there."""
    values = series.values.copy()
    values[point:] += 100 * np.cos(np.arange(len(values) - point))
    return replace(series, values=values)


def test_the_defaults_for_the_bundled_series():
    cut = frame(bundled_series())
    assert (cut.window, cut.horizon, cut.season) == (24, 12, 12)
    assert (cut.train_end, cut.validation_end, cut.points) == (476, 586, 732)


def test_no_target_belongs_to_two_parts():
    series = seasonal()
    cut = frame(series)
    windows = Windows(series, cut)
    parts = (windows.training(0), windows.validation(0), windows.test())
    held = [set(windows.target_index(p.origins).ravel()) for p in parts]
    assert max(held[0]) < min(held[1])
    assert max(held[1]) < min(held[2])
    assert max(held[0]) == cut.train_end - 1
    assert held[2] == set(range(cut.validation_end, cut.points))


def test_what_comes_later_changes_no_earlier_window():
    series = seasonal()
    cut = frame(series)
    other = changed_after(series, cut.train_end)
    one, two = Windows(series, cut), Windows(other, cut)
    before, after = one.training(0), two.training(0)
    np.testing.assert_array_equal(before.inputs, after.inputs)
    np.testing.assert_array_equal(before.targets, after.targets)
    origin = np.array([cut.validation_end])
    last = changed_after(series, cut.validation_end)
    np.testing.assert_array_equal(
        one.part(origin).inputs, Windows(last, cut).part(origin).inputs
    )


def test_the_season_is_found_in_the_training_part_alone():
    series = seasonal()
    cut = frame(series)
    assert frame(changed_after(series, cut.train_end)) == cut


def test_restore_undoes_the_scaling():
    series = seasonal()
    windows = Windows(series, frame(series))
    part = windows.test()
    truth = series.values[windows.target_index(part.origins)]
    np.testing.assert_allclose(part.restore(part.targets), truth, rtol=1e-6)


def test_inputs_do_not_depend_on_the_unit():
    series = seasonal()
    other = replace(series, values=1000 * series.values - 273)
    cut = frame(series)
    one, two = Windows(series, cut).test(), Windows(other, cut).test()
    np.testing.assert_allclose(one.inputs, two.inputs, atol=1e-5)
    np.testing.assert_allclose(one.targets, two.targets, atol=1e-4)


def test_no_window_of_a_gap_looks_ahead():
    values = seasonal().values.copy()
    values[[40, 41, 150]] = np.nan
    series = clean("v", "test", values)
    cut = frame(series, season=8)
    windows = Windows(series, cut)
    origins = np.concatenate([windows.training(0).origins, windows.test().origins])
    assert not {41, 42, 151} & set(origins)
    # The value after the gap changes how the gap is filled, and no window before it.
    values[42] += 50
    other = Windows(clean("v", "test", values), cut)
    before = np.array([o for o in origins if o <= 42])
    for o in before:
        np.testing.assert_allclose(
            windows.part(np.array([o])).inputs[..., 0],
            other.part(np.array([o])).inputs[..., 0],
            atol=0.05,  # through the training part's deviation only
        )


def test_windows_are_thinned_evenly():
    origins = np.arange(10, 1010)
    few = thin(origins, 100)
    assert len(few) == 100
    assert (few[0], few[-1]) == (10, 1009)
    assert set(np.diff(few)) <= {10, 11}
    assert thin(origins, 0) is origins


def test_blocks_follow_each_other_to_the_end():
    series = seasonal()
    cut = frame(series)
    blocks = Windows(series, cut).blocks(3)
    assert blocks.origins.tolist() == [len(series) - k * cut.horizon for k in (3, 2, 1)]


@pytest.mark.parametrize(
    ("points", "options", "message"),
    [
        (10, {}, r"need at least 15 points, found 10; give a longer series$"),
        (100, {"window": 80}, "need at least .* lower --window or --horizon"),
        (100, {"horizon": 40}, "a horizon of 40 need at least 1.. points"),
        (100, {"season": 40}, "a season of 40 needs at least 80; lower --season"),
    ],
)
def test_too_few_points_are_explained(points, options, message):
    with pytest.raises(DataError, match=message):
        frame(seasonal(points), **options)


def test_as_many_points_as_asked_for_are_enough():
    series = seasonal(400)
    with pytest.raises(DataError, match="too short") as caught:
        frame(replace(series, values=series.values[:60]), window=60, horizon=9)
    needed = int(str(caught.value).split("at least ")[1].split()[0])
    fits = clean("v", "test", series.values[:needed])
    assert len(Windows(fits, frame(fits, window=60, horizon=9)).training(0)) >= 8
    with pytest.raises(DataError, match="too short"):
        frame(clean("v", "test", series.values[: needed - 1]), window=60, horizon=9)


def test_a_constant_training_part_is_refused():
    values = np.r_[np.full(80, 5.0), np.arange(20.0)]
    series = clean("v", "test", values)
    with pytest.raises(DataError, match=r"the first 65 points, is constant \(5\)"):
        Windows(series, frame(series))


def test_a_test_part_without_observed_origins_is_refused():
    values = seasonal(100).values.copy()
    values[79:99] = np.nan
    series = clean("v", "test", values)
    with pytest.raises(DataError, match="no window ends on an observed value"):
        Windows(series, frame(series, season=1)).test()
