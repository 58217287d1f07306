"""Jacobians over lags: those of automatic differentiation, and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from refrain import cells
from refrain.errors import DataError
from refrain.graph.changes import Changes
from refrain.graph.evaluate import run
from refrain.layers.scan import Weights, scan_cell
from refrain.study.flow import gradient_flow, horizon, step_jacobian
from refrain.study.walk import walk
from tests.study.walks import BATCH, CELLS, FEATURES, LENGTHS, MASK, STEPS, taken

LAG = 4
each_cell = pytest.mark.parametrize("sized", CELLS, ids=lambda s: s.cell.name)


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def flat(states, at=slice(None)):
    return np.concatenate([s[at] for s in states.values()], axis=-1)


def parts(sized, state):
    return np.split(state, np.cumsum(sized.state_size)[:-1], axis=-1)


def scanned(sized, variables, x, state):
    """Outputs and last states through the scan of the layers, for one sample."""
    edges = np.cumsum(sized.state_size)[:-1]
    states = [s[None] for s in jnp.split(state, edges)]
    weights = Weights(sized.variables(FEATURES), variables)
    ran = scan_cell(sized, {"x": jnp.asarray(x)[None]}, states, weights, Changes())
    return ran.outputs[0], jnp.concatenate([s[0] for s in ran.last])


def by_differences(found, state, eps=1e-6):
    """Columns of a Jacobian, one for each number of a state `(batch, S)`."""
    columns = []
    for unit in np.eye(state.shape[-1]):
        above, below = found(state + eps * unit), found(state - eps * unit)
        columns.append((above - below) / (2 * eps))
    return np.stack(columns, axis=-1)


def root_mean_square(jacobian):
    return np.sqrt((jacobian**2).sum((-2, -1)) / jacobian.shape[-1])


@each_cell
def test_by_lag_equals_automatic_differentiation_through_the_scan(sized, rng):
    way, x, _, variables = taken(sized, rng)
    arriving = rng.normal(size=(BATCH, STEPS, sized.output_size))
    flow = gradient_flow(way, arriving)
    state = flat(way.states, (slice(None), STEPS - LAG))

    def both(x, state, arriving):
        outputs, last = scanned(sized, variables, x, state)
        return last, (outputs * arriving).sum()

    jacobian, grad = jax.vmap(jax.jacobian(both, argnums=1))(
        x[:, -LAG:], state, arriving[:, -LAG:]
    )
    close = {"rel": 1e-9, "abs": 1e-12}
    expected = np.median(root_mean_square(jacobian))
    assert flow.influence[LAG] == pytest.approx(expected, **close)
    largest = np.median(np.linalg.svd(jacobian, compute_uv=False)[:, 0])
    assert flow.largest[LAG] == pytest.approx(largest, **close)
    block = jacobian[:, : sized.state_size[0], -sized.state_size[-1] :]
    name = f"{next(iter(way.states))}/{list(way.states)[-1]}"
    expected = np.median(root_mean_square(block))
    assert flow.between[name][LAG] == pytest.approx(expected, **close)
    for name, part in zip(way.states, parts(sized, np.asarray(grad)), strict=True):
        expected = np.median(np.linalg.norm(part, axis=-1))
        assert flow.loss[name][LAG - 1] == pytest.approx(expected, **close)


@each_cell
def test_steps_and_their_products_equal_finite_differences(sized, rng):
    way, x, _, _ = taken(sized, rng)
    flow = gradient_flow(way)

    def jacobian(start, stop):
        def after(state):
            states = dict(zip(way.states, parts(sized, state), strict=True))
            _, history = run(sized.graph, x[:, start:stop], states, way.weights)
            return flat(history, (slice(None), -1))

        return by_differences(after, flat(way.states, (slice(None), start)))

    step = jacobian(2, 3)
    np.testing.assert_allclose(step_jacobian(way, 2), step, rtol=1e-6, atol=1e-8)
    norms = np.median(np.linalg.svd(step, compute_uv=False)[:, 0])
    assert flow.step_norm[STEPS - 1 - 2] == pytest.approx(norms, rel=1e-6)
    whole = np.median(root_mean_square(jacobian(0, STEPS)))
    assert flow.influence[STEPS] == pytest.approx(whole, rel=1e-5, abs=1e-9)


def test_skipped_steps_are_none(rng):
    """A masked batch gives what its sequences give one by one, cut to their lengths."""
    sized = cells.lstm(3)
    way, x, first, _ = taken(sized, rng, MASK)
    arriving = rng.normal(size=(BATCH, STEPS, 3))
    flow = gradient_flow(way, arriving)
    alone = []
    for n, length in enumerate(LENGTHS):
        start = {name: s[n : n + 1] for name, s in first.items()}
        grads = arriving[n : n + 1, :length].copy()
        grads[:, -1] += arriving[n, length:].sum(0)  # a skipped step repeats the output
        part = walk(sized, way.weights, x[n : n + 1, :length], start)
        alone.append(gradient_flow(part, grads))
    for lag in range(STEPS + 1):
        long = [f for f, length in zip(alone, LENGTHS, strict=True) if length >= lag]
        expected = np.median([f.influence[lag] for f in long])
        assert flow.influence[lag] == pytest.approx(expected, rel=1e-12)
        if lag:
            expected = np.median([f.loss["c"][lag - 1] for f in long])
            assert flow.loss["c"][lag - 1] == pytest.approx(expected, rel=1e-12)


def test_values_of_skipped_steps_are_not_read(rng):
    sized = cells.gru(3)
    way, x, first, _ = taken(sized, rng, MASK)
    x[~MASK] = np.nan
    assert gradient_flow(walk(sized, way.weights, x, first, MASK)) == gradient_flow(way)


def test_a_forget_gate_that_is_set_gives_its_own_horizon():
    """With no other path than c = f c', the influence after k steps is f ** k."""
    sized, steps = cells.lstm(2), 30
    weights = {name: np.zeros(()) for name in sized.graph.leaves if "." in name}
    for name, node in sized.graph.leaves.items():
        if "." in name:
            sizes = {**sized.sizes, "features": 1}
            weights[name] = np.zeros([sizes[s] for s in node.shape])
    weights["b.f"] += np.log(0.8 / 0.2)
    flow = gradient_flow(walk(sized, weights, np.zeros((1, steps, 1))))
    np.testing.assert_allclose(flow.between["c/c"], 0.8 ** np.arange(steps + 1))
    assert horizon(flow.between["c/c"]) == 21  # 0.8 ** 20 is 0.0115
    assert flow.largest[0] == flow.influence[0] == 1.0


def test_a_horizon_beyond_the_sequences_is_not_known():
    assert horizon((1.0, 0.5, 0.02)) is None
    assert horizon((1.0, 0.005, 0.02, 0.001)) == 3
    assert horizon((1.0, np.inf, np.nan)) is None


def test_what_explodes_overflows_quietly():
    sized = cells.simple_rnn(2, activation="linear")
    weights = {"W": np.zeros((1, 2)), "U": 1e200 * np.eye(2), "b": np.zeros(2)}
    flow = gradient_flow(walk(sized, weights, np.zeros((1, 4, 1))))
    assert flow.largest[1] == pytest.approx(1e200)
    assert flow.largest[-1] == np.inf
    assert flow.horizon is None


@pytest.mark.parametrize(
    ("x", "mask", "expected"),
    [
        (np.zeros((2, 0, 1)), None, "received 2 of 0 steps$"),
        (np.zeros((2, 3, 1)), np.zeros((2, 3)), "none of which counts"),
        (np.full((2, 3, 1), np.nan), None, "finite numbers"),
    ],
)
def test_sequences_that_say_nothing_are_refused(x, mask, expected):
    sized = cells.simple_rnn(2)
    weights = {"W": np.zeros((1, 2)), "U": np.eye(2), "b": np.zeros(2)}
    with pytest.raises(DataError, match=expected):
        walk(sized, weights, x, mask=mask)
