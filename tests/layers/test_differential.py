"""Random layers of ours against Keras's: outputs, states, gradients, penalties.

REFRAIN_DRAWS sets how many are drawn, e.g. 2000 for a long run, or 500-1000 for a part
of it. Without it, 100 run on torch and 40 on TensorFlow (`test_backends.py`), and 30 on
JAX, which compiles each.
"""

import keras
import numpy as np
import pytest

from refrain import layers
from tests.layers.contract import Trial, array, assert_same
from tests.layers.draws import differs_by_design, draw, overwrites_states, seeds

BACKEND = keras.backend.backend()
SEEDS = seeds({"jax": 30, "torch": 100, "tensorflow": 40}[BACKEND])
GROUPS = 5

# Keras minds a softmax of one unit.
pytestmark = pytest.mark.filterwarnings("ignore:.*softmax over axis:UserWarning")


@pytest.mark.parametrize("group", range(GROUPS))
def test_random_layers_equal_those_of_keras(group):
    compared = 0
    for seed in SEEDS[group::GROUPS]:
        drawn = draw(seed)
        if differs_by_design(drawn, BACKEND):
            continue
        try:
            compare(drawn)
        except AssertionError:
            compare_in_earnest(seed, drawn)
        compared += 1
    assert compared > 0


def compare_in_earnest(seed, drawn):
    """Once more as users run it: XLA in a hurry makes NaN of a gradient of draw 744."""
    if BACKEND == "jax":
        import jax

        jax.config.update("jax_disable_most_optimizations", False)
        jax.clear_caches()
    try:
        compare(drawn)
    except AssertionError as error:
        raise AssertionError(f"draw({seed}): {drawn}\n{error}") from None
    finally:
        if BACKEND == "jax":
            jax.config.update("jax_disable_most_optimizations", True)


def compare(drawn):
    ours, theirs = (Trial(of, drawn.case) for of in (layers, keras.layers))
    found, expected = (trial.layer.get_config() for trial in (ours, theirs))
    assert found.keys() == expected.keys()
    for _ in range(drawn.calls - 1):
        assert_same(ours.outputs(), theirs.outputs(), drawn.tolerance)
    found = ours.gradients()
    if overwrites_states(drawn, BACKEND):
        expected = theirs.outputs()
        found = {name: found[name] for name in expected}
    else:
        expected = theirs.gradients()
    assert_same(found, expected, drawn.tolerance)
    shape = (drawn.case.batch, drawn.case.timesteps, drawn.case.features)
    told = [t.layer.compute_output_shape(shape) for t in (ours, theirs)]
    assert told[0] == told[1]
    penalties = [np.sum([array(v) for v in t.layer.losses]) for t in (ours, theirs)]
    np.testing.assert_allclose(*penalties, rtol=1e-5)
