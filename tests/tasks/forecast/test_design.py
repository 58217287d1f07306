"""What is chosen, and how a series is cut; `test_samples.py` tells what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from refrain.errors import DataError
from refrain.tasks.forecast.design import Ends, Wishes, make_design
from refrain.tasks.forecast.panel import Member
from refrain.tasks.forecast.samples import cut_samples, known_origins, thin
from refrain.tasks.series import bundled_series, clean
from tests.tasks.series import seasonal


def design_of(series, **wishes):
    return make_design([Member(series)], Wishes(**wishes))


def changed_after(series, point):
    """The same series up to a point, another one from there."""
    values = series.values.copy()
    values[point:] += 100 * np.cos(np.arange(len(values) - point))
    return replace(series, values=values)


def test_the_defaults_for_the_bundled_series():
    design = design_of(bundled_series())
    layout = design.layout
    assert (layout.window, layout.horizon, layout.season) == (24, 12, 12)
    assert design.ends == (Ends(476, 586, 732),)


def test_no_target_belongs_to_two_parts():
    design = design_of(seasonal(), reference="last")
    (track,), (ends,), layout = design.tracks, design.ends, design.layout
    parts = [(0, ends.train), (ends.train, ends.validation), (ends.validation, 160)]
    held = [
        {o + h for o in known_origins(track, layout, *p) for h in range(layout.horizon)}
        for p in parts
    ]
    assert held == [
        set(range(layout.window, ends.train)),
        set(range(ends.train, ends.validation)),
        set(range(ends.validation, 160)),
    ]


def test_all_is_chosen_by_the_training_part_alone():
    series = seasonal()
    design = design_of(series)
    other = design_of(changed_after(series, design.ends[0].train))
    assert other.layout == design.layout
    assert other.ends == design.ends
    assert other.tracks[0].scaling == design.tracks[0].scaling


def test_a_network_reads_the_same_in_every_unit():
    series = seasonal()
    one, two = (
        design_of(replace(series, values=values), scale="linear")
        for values in (series.values, 1000 * series.values - 273)
    )
    samples = [
        cut_samples(d.tracks[0], np.arange(60, 150), d.layout) for d in (one, two)
    ]
    for name in ("past", "ahead", "targets"):
        found, expected = (getattr(s, name) for s in samples)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_no_window_owes_anything_to_the_value_behind_a_gap():
    values = seasonal().values.copy()
    values[[130, 131, 150]] = np.nan
    changed = values.copy()
    changed[132] += 50  # changes how the gap before it is filled
    found = []
    for series in (clean("v", "test", v) for v in (values, changed)):
        design = design_of(series, season=8)
        origins = known_origins(design.tracks[0], design.layout, 120, 160)
        assert not {131, 132, 151} & set(origins)
        found.append(
            cut_samples(design.tracks[0], origins[origins <= 132], design.layout)
        )
    assert len(found[0]) == 11
    np.testing.assert_array_equal(found[0].past, found[1].past)
    np.testing.assert_array_equal(found[0].ahead, found[1].ahead)


def test_windows_are_thinned_evenly():
    origins = np.arange(10, 1010)
    few = thin(origins, 100)
    assert len(few) == 100
    assert (few[0], few[-1]) == (10, 1009)
    assert set(np.diff(few)) <= {10, 11}
    assert thin(origins, 0) is origins


@pytest.mark.parametrize(
    ("points", "wishes", "advice"),
    [
        (10, {}, "give a longer series"),
        (40, {"window": 30, "horizon": 1}, "give a longer series, or lower --window"),
        (40, {"window": 2, "horizon": 20}, "give a longer series, or lower --horizon"),
        (100, {"window": 80}, "or lower --horizon or --window"),
    ],
)
def test_what_can_be_lowered_is_named(points, wishes, advice):
    with pytest.raises(DataError, match=f"{advice}$"):
        design_of(seasonal(points), **wishes)


def test_a_training_part_as_long_as_is_asked_for_is_enough():
    def cut(points):
        return design_of(seasonal(points), window=60, horizon=9, season=1)

    with pytest.raises(DataError, match="training part of 76 points, found 39 of 60"):
        cut(60)
    design = cut(116)
    train = design.ends[0].train
    assert train == 76
    assert len(known_origins(design.tracks[0], design.layout, 0, train)) == 8
    with pytest.raises(DataError, match="found 75 of 115 points in all; give a longer"):
        cut(115)
