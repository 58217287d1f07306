"""Nothing that a forecaster keeps owes anything to the test part.

`test_samples.py` says the same of the training windows and all that comes later.
"""

import numpy as np
import pytest

from refrain.tasks import Forecaster
from refrain.tasks.forecast.calibrate import fit_shift
from refrain.tasks.forecast.samples import cut_samples
from tests.tasks.forecast.tables import long_table

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation"),
    pytest.mark.filterwarnings("ignore:the 90 % interval needs"),
]

POINTS, TEST = 120, 24


def forecaster(table):
    return Forecaster(
        target="y",
        past="weather",
        future="promotion",
        horizon=4,
        units=3,
        epochs=2,
        folds=2,
        ets=False,
    ).fit(table)


def with_other_test_part(table):
    other = table.copy()
    late = other.groupby("unique_id").cumcount() >= POINTS - TEST
    other.loc[late, "y"] = 500 - 9 * other.loc[late, "y"]
    other.loc[late, "weather"] = "hail"
    other.loc[late, "promotion"] = 70.0
    return other


def kept(made) -> list[np.ndarray]:
    """The numbers by which it forecasts."""
    scales = [(t.scaling.mean, t.scaling.deviation, t.unit) for t in made.tracks_]
    losses = [made.training_.loss, made.training_.validation_loss]
    return [*made.network_.get_weights(), made.shift_, *map(np.array, scales + losses)]


def calibrated_on_the_test_part(made) -> list[np.ndarray]:
    """The fault that the check below has to see."""
    (track, *_), layout = made.tracks_, made.layout_
    origins = np.arange(POINTS - TEST, POINTS - layout.horizon + 1)
    samples = cut_samples(track, origins, layout)
    found = np.sort(made._outputs(samples), axis=-1)
    made.shift_ = fit_shift(found, samples.targets, made.levels(), len(origins))
    return kept(made)


@pytest.fixture(scope="module")
def both():
    table = long_table(2, POINTS)
    return forecaster(table), forecaster(with_other_test_part(table))


def same(one, two) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_the_test_part_changes_nothing_that_is_kept(both):
    one, two = both
    assert same(kept(one), kept(two))
    assert one.layout_ == two.layout_
    assert one.backtest_.errors != two.backtest_.errors


def test_a_planted_leak_is_seen(both):
    assert not same(*map(calibrated_on_the_test_part, both))
