"""What a network reads is right, and nothing of it comes from later."""

import dataclasses

import numpy as np
import pytest

from refrain.errors import DataError
from refrain.tasks.forecast.design import Wishes, make_design
from refrain.tasks.forecast.learn import samples_of
from refrain.tasks.forecast.panel import Columns, read_panel
from refrain.tasks.forecast.samples import SPACES, cut_samples, later_times, make_track
from refrain.tasks.forecast.scaling import fit_scaling
from tests.tasks.forecast.tables import long_table

ROLES = Columns(past="weather", future="promotion", static="kind")
WISHES = Wishes(horizon=4, window=8, season=6)


def design_of(table, wishes=WISHES):
    return make_design(read_panel(table, ROLES), wishes)


def leaky_design_of(table):
    """The fault that the check below has to see: scaled by all of the values."""
    members, design = read_panel(table, ROLES), design_of(table)
    tracks = tuple(
        make_track(m, design.layout, fit_scaling(m.series.values, 6), t.unit)
        for m, t in zip(members, design.tracks, strict=True)
    )
    return dataclasses.replace(design, tracks=tracks)


def later_changes_training(design_of) -> bool:
    """Whether training windows are others once what comes after them is another."""
    table = long_table()
    design = design_of(table)
    other = table.copy()
    # Training ends at the same point of every series.
    late = other.groupby("unique_id").cumcount() >= design.ends[0].train
    other.loc[late, "y"] = 1000 - 7 * other.loc[late, "y"]
    other.loc[late, "weather"] = "hail"
    other.loc[late, "promotion"] *= 100
    one, two = (samples_of(d, "training", 0) for d in (design, design_of(other)))
    return any(
        not np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True)
        for name in ("past", "ahead", "targets", "base", "unit")
    )


def test_nothing_later_reaches_the_training():
    assert not later_changes_training(design_of)


def test_a_planted_leak_is_seen():
    assert later_changes_training(leaky_design_of)


def test_no_window_reads_what_it_forecasts():
    table = long_table(1)
    design = design_of(table)
    (track,), layout = design.tracks, design.layout
    origin = np.array([60])
    other = dataclasses.replace(track, values=track.values.copy())
    other.values[60:] += 50
    one, two = (cut_samples(t, origin, layout) for t in (track, other))
    np.testing.assert_array_equal(one.past, two.past)
    np.testing.assert_array_equal(one.ahead, two.ahead)
    np.testing.assert_array_equal(one.base, two.base)
    assert (one.targets != two.targets).all()


@pytest.mark.parametrize("reference", ["last", "seasonal"])
def test_targets_are_distances_from_the_plain_forecast(reference):
    design = design_of(long_table(), dataclasses.replace(WISHES, reference=reference))
    track, layout = design.tracks[1], design.layout
    origins = np.array([30, 47])
    samples = cut_samples(track, origins, layout)
    restored = track.scaling.restore(samples.restore(samples.targets[..., None]))
    truth = track.values[origins[:, None] + np.arange(4)]
    np.testing.assert_allclose(restored[..., 0], truth, rtol=1e-5)
    plain = track.scaling.restore(samples.base)
    back = {"last": [29] * 4, "seasonal": [24, 25, 26, 27]}[reference]
    np.testing.assert_allclose(plain[0], track.values[back])


def test_lags_reach_back_to_before_the_origin_alone():
    design = design_of(long_table(1), dataclasses.replace(WISHES, horizon=9))
    (track,), layout = design.tracks, design.layout
    samples = cut_samples(track, np.array([50]), layout)
    z = track.scaling.scale(track.values)
    column = 2 + layout.lags.index(6)
    expected = [z[50 + h - 6 * (1 + h // 6)] - z[49] for h in range(9)]
    np.testing.assert_allclose(
        samples.ahead[0, :, column] * track.unit, expected, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("unit", ["h", "M"])
def test_later_times_go_on_as_the_last_ones_did(unit):
    even = np.arange(20).astype(f"datetime64[{unit}]")
    np.testing.assert_array_equal(later_times(even[:15], 5), even[15:])
    uneven = np.array([0, 1, 3, 9, 30, 31, 34, 36, 38, 40, 42])
    assert later_times(uneven, 2).tolist() == [44, 46]
    assert later_times(uneven[-SPACES - 1 :], 2).tolist() == [44, 46]
    assert later_times(uneven[:1], 2).tolist() == [1, 2]


def test_gaps_are_no_targets_and_no_ends_of_windows():
    table = long_table(1)
    table.loc[[20, 21], "y"] = np.nan
    design = design_of(table)
    samples = samples_of(design, "training", 0)
    origins = [o for o in range(8, design.ends[0].train - 3) if o - 1 not in (20, 21)]
    assert len(samples) == len(origins)
    expected = [[o + h in (20, 21) for h in range(4)] for o in origins]
    assert np.isnan(samples.targets).tolist() == expected


@pytest.mark.parametrize(
    ("wishes", "message"),
    [
        (Wishes(horizon=80), "'shop 0' is too short: a window of .* horizon of 80"),
        (Wishes(season=50), "a season of 50 needs training parts of 100 points"),
        (Wishes(season=1, reference="seasonal"), "the series have no season"),
    ],
)
def test_series_that_cannot_serve_are_explained(wishes, message):
    with pytest.raises(DataError, match=message):
        design_of(long_table(), wishes)


def test_a_logarithm_needs_positive_values():
    table = long_table()
    table["y"] -= 20
    with pytest.raises(DataError, match="scale log: expected positive values"):
        design_of(table, dataclasses.replace(WISHES, scale="log"))
