"""What a kernel computes depends on nothing but its sample and its arrays."""

import numpy as np
import pytest

from refrain import cells
from refrain.bridge.numpy import call
from refrain.derive.through_time import gradient_through_time
from refrain.emit.llvm.time_loop import CACHE
from refrain.runtime.driver import Request, kernel_for
from refrain.runtime.processors import rows_a_thread
from tests.randoms import random_states, random_weights, unpacked
from tests.runtime.reference import assert_close, kernel_results, leaky, normalised


def test_nan_in_one_sample_stays_there(rng):
    sized = cells.lstm(20)
    variables = random_weights(sized, 4, rng)
    x = rng.normal(size=(5, 6, 4))
    x[2, 1, 3] = np.nan
    zeros = {f"first_{s}": np.zeros((5, 20)) for s in ("h", "c")}
    kernel = kernel_for(Request(sized, 4))
    found = call(
        kernel.forward, {"x": x, **variables, **zeros}, 5, 6, np.dtype("float32")
    )
    broken = np.isnan(found["y"]).any(axis=(1, 2))
    assert broken.tolist() == [False, False, True, False, False]
    assert np.isnan(found["y"][2, 1:]).all()


def test_nan_at_a_masked_step_leaves_no_trace(rng):
    sized = cells.gru(9)
    request = Request(sized, 4, training=True, mask="zero", rows=3)
    variables = random_weights(sized, 4, rng)
    keep = np.ones((3, 6))
    keep[:, 2] = 0
    x = rng.normal(size=(3, 6, 4)).astype("float32")
    broken = x.copy()
    broken[:, 2] = np.nan
    states = random_states(sized, 3, rng)
    grad_y, grad_last = np.ones((3, 6, 9)), {"h": np.ones((3, 9))}
    found = [
        kernel_results(
            request, each, states, variables, grad_y, grad_last, {"mask": keep}
        )
        for each in (x, broken)
    ]
    assert np.array_equal(found[0]["y"], found[1]["y"])
    assert np.array_equal(found[0]["last_h"], found[1]["last_h"])


@pytest.mark.parametrize("make", [cells.lstm, cells.gru, normalised], ids=repr)
def test_threads_do_not_change_results(make, rng, monkeypatch):
    sized = make(33)
    variables = random_weights(sized, 5, rng)
    x, states = rng.normal(size=(13, 9, 5)), random_states(sized, 13, rng)
    grad_y = rng.normal(size=(13, 9, 33))
    grad_last = {s: rng.normal(size=(13, 33)) for s in states}
    found = []
    for count in (1, 2, 5):
        monkeypatch.setenv("REFRAIN_THREADS", str(count))
        # Another number of threads is also another tile.
        request = Request(sized, 5, training=True, rows=rows_a_thread(13))
        found.append(kernel_results(request, x, states, variables, grad_y, grad_last))
    for name in ("y", "last_h", "grad_x", "grad_first_h", "grad_kernel", "grad_bias"):
        assert np.array_equal(found[0][name], found[1][name]), name
        assert np.array_equal(found[0][name], found[2][name]), name


def test_a_tape_larger_than_the_cache_holds_the_same_numbers(rng, monkeypatch):
    """A batch's tape passes the cache by; that of one sample does not."""
    monkeypatch.setenv("REFRAIN_THREADS", "1")
    sized = cells.lstm(33)
    request = Request(sized, 5, training=True)
    width = next(
        b.width for b in kernel_for(request).forward.program.outputs if b.name == "tape"
    )
    assert 300 * width * 4 < CACHE < 12 * 300 * width * 4
    variables = random_weights(sized, 5, rng)
    states = random_states(sized, 12, rng)
    x, grad_y = (rng.normal(size=(12, 300, n)) for n in (5, 33))
    grad_last = {s: rng.normal(size=(12, 33)) for s in states}
    whole = kernel_results(request, x, states, variables, grad_y, grad_last)
    for k in range(12):
        one = slice(k, k + 1)
        alone = kernel_results(
            request,
            x[one],
            {s: v[one] for s, v in states.items()},
            variables,
            grad_y[one],
            {s: v[one] for s, v in grad_last.items()},
        )
        for name in ("y", "grad_x", "grad_first_c"):
            assert np.array_equal(whole[name][one], alone[name]), name


@pytest.mark.parametrize("make", [cells.lstm, normalised, leaky], ids=repr)
def test_no_number_outside_the_arrays_is_touched(make, rng, monkeypatch):
    """Canaries round every buffer survive, and reading them would spoil results."""

    def guarded(shape, dtype):
        size = int(np.prod(shape))
        whole = np.empty(size + 64, dtype)
        whole[:] = np.nan
        guards.append((whole, size))
        return whole[32 : 32 + size].reshape(shape)

    guards: list = []
    sized = make(13)
    variables = {n: _guarded(v) for n, v in random_weights(sized, 3, rng).items()}
    states = {n: _guarded(v) for n, v in random_states(sized, 5, rng).items()}
    x = _guarded(rng.normal(size=(5, 4, 3)))
    grad_y = _guarded(rng.normal(size=(5, 4, 13)))
    grad_last = {n: _guarded(rng.normal(size=v.shape)) for n, v in states.items()}
    request = Request(sized, 3, "float64", training=True, rows=4)
    monkeypatch.setattr("refrain.bridge.numpy.empty", guarded)
    found = kernel_results(request, x, states, variables, grad_y, grad_last)
    monkeypatch.undo()
    assert guards
    for whole, size in guards:
        assert np.isnan(whole[:32]).all()
        assert np.isnan(whole[32 + size :]).all()
    weights = unpacked(sized, 3, variables)
    exact = gradient_through_time(sized.graph, x, states, weights, grad_y, grad_last)
    assert_close("grad x", found["grad_x"], exact["grad_x"], "float64")


def _guarded(values):
    values = np.asarray(values)
    whole = np.full(values.size + 64, np.nan)
    inside = whole[32 : 32 + values.size].reshape(values.shape)
    inside[...] = values
    return inside


def test_gradients_of_the_last_output_read_nothing_that_is_unwritten(monkeypatch, rng):
    """An output that is no state has no gradient but that of the last step."""
    request = Request(cells.lru(13), 3, "float64", training=True, sequence=False)
    variables = random_weights(request.sized, 3, rng)
    sizes = {"re": 13, "im": 13, "held": 13}
    given = {"x": rng.normal(size=(5, 4, 3)), **variables}
    given |= {f"first_{s}": rng.normal(size=(5, n)) for s, n in sizes.items()}
    given |= {f"grad_last_{s}": rng.normal(size=(5, n)) for s, n in sizes.items()}
    empty = np.empty

    def unwritten(*arguments, **more):
        made = empty(*arguments, **more)
        return made * np.nan if made.dtype.kind == "f" else made

    monkeypatch.setattr(np, "empty", unwritten)
    kernel = kernel_for(request)
    dtype = np.dtype("float64")
    given |= call(kernel.forward, given, 5, 4, dtype)
    given |= call(kernel.backward, given, 5, 4, dtype)
    found = call(kernel.gathering, given, 5, 4, dtype)
    assert all(np.isfinite(given[n]).all() for n in ("grad_x", "grad_first_re"))
    assert all(np.isfinite(gradient).all() for gradient in found.values())
