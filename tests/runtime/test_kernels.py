"""Every kernel equals the float64 interpreter, forward and backward."""

import functools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from refrain import cells
from refrain.bridge.numpy import call
from refrain.cells import cell, matrix, scalar, vector
from refrain.derive.through_time import gradient_through_time
from refrain.emit.llvm.time_loop import CACHE
from refrain.functions import layer_norm, sigmoid, softmax, tanh, where
from refrain.graph.dropout import with_dropout
from refrain.graph.evaluate import run
from refrain.runtime.driver import Request, kernel_for, rows_a_thread, step_graph
from refrain.runtime.threads import run_native
from tests.randoms import random_states, random_weights, sized_cell, unpacked


@cell(
    state=("h", "c"),
    gates=("i", "f", "g", "o"),
    p=vector(gates=("i", "f", "o"), initializer="glorot_uniform"),
)
def peephole_lstm(x, h_prev, c_prev, W, U, b, p):
    """LSTM with peepholes; the output gate sees the new cell state."""
    i = sigmoid(x @ W.i + h_prev @ U.i + p.i * c_prev + b.i)
    f = sigmoid(x @ W.f + h_prev @ U.f + p.f * c_prev + b.f)
    g = tanh(x @ W.g + h_prev @ U.g + b.g)
    c = f * c_prev + i * g
    o = sigmoid(x @ W.o + h_prev @ U.o + p.o * c + b.o)
    return o * tanh(c), c


@cell(state="h", gates=("z", "n"), s=vector(gates=("z", "n"), initializer="ones"))
def normalised(x, h_prev, W, U, b, s):
    """A gated cell with layer normalisation: reductions over units."""
    z = sigmoid(layer_norm(x @ W.z + h_prev @ U.z, s.z) + b.z)
    n = tanh(layer_norm(x @ W.n + h_prev @ U.n, s.n) + b.n)
    return (1 - z) * h_prev + z * n


@cell(state="s", output="y", a=scalar(initializer="ones"), d=scalar())
def leaky(x, s_prev, W, U, b, a, d):
    """Trained scalars, a softmax, and an output that is no state."""
    s = sigmoid(a) * s_prev + (1 - sigmoid(a)) * softmax(x @ W + s_prev @ U + b)
    return d * tanh(s) + s, s


@cell(state=("s", "t"), output="y")
def twins(x, s_prev, t_prev, W, U, b):
    """Two states and the output are one value; the states may begin apart."""
    s = tanh(x @ W + s_prev @ U + 0.5 * t_prev + b)
    return s, s, s


@cell(state="h", q=vector(), S=matrix())
def choosing(x, h_prev, W, U, b, q, S):
    """Weights that decide choices and nothing else: their gradient is zero."""
    h = tanh(x @ W + h_prev @ U + b)
    return where(h + x @ S > q, h, 0.5 * h)


CELLS = [
    cells.simple_rnn,
    functools.partial(cells.simple_rnn, activation="relu"),
    cells.lstm,
    functools.partial(cells.lstm, recurrent_activation="hard_sigmoid"),
    functools.partial(cells.lstm, use_bias=False),
    cells.gru,
    functools.partial(cells.gru, reset_after=False),
    peephole_lstm,
    normalised,
    leaky,
    twins,
    choosing,
]
TOLERANCE = {"float32": 2e-4, "float64": 1e-11}


def kernel_results(request, x, states, variables, grad_y, grad_last, extra=None):
    """Everything that a kernel computes for one batch, by name."""
    batch, timesteps = x.shape[:2]
    dtype = np.dtype(request.dtype)
    kernel = kernel_for(request)
    given = {"x": x, **variables, **(extra or {})}
    given |= {f"first_{s}": a for s, a in states.items()}
    found = call(kernel.forward, given, batch, timesteps, dtype)
    given |= found | {"grad_y": grad_y}
    given |= {f"grad_last_{s}": g for s, g in grad_last.items()}
    apart = gradients(call, kernel, given, batch, timesteps, dtype)
    over = gradients(call_in_place, kernel, given, batch, timesteps, dtype)
    for name, value in apart.items():
        if name.startswith("grad_"):
            assert np.array_equal(value, over[name], equal_nan=True), name
    return found | over


def gradients(call, kernel, given, batch, timesteps, dtype):
    """What the programs of the gradient compute, over the tape or apart from it."""
    given = {**given, "tape": given["tape"].copy()}
    found = call(kernel.backward, given, batch, timesteps, dtype)
    given |= found
    return found | call(kernel.gathering, given, batch, timesteps, dtype)


def call_in_place(native, given, batch, timesteps, dtype):
    """`call`, with results over the arguments that they may be written over."""
    arrays = {}
    for b in native.program.inputs:
        zeros = np.zeros(native.shape(b, batch, timesteps))
        arrays[b.name] = np.ascontiguousarray(given.get(b.name, zeros), dtype)
    for b in native.program.outputs:
        own = np.empty(native.shape(b, batch, timesteps), dtype)
        arrays[b.name] = arrays[b.over] if b.over else own
    addresses = [arrays[b.name].ctypes.data for b in native.program.buffers]
    run_native(native, addresses, batch, timesteps)
    return {b.name: arrays[b.name] for b in native.program.outputs}


def assert_equals_interpreter(
    make, features, units, batch, timesteps, dtype, rng, tolerance=None
):
    sized = make(units)
    close = functools.partial(assert_close, dtype=dtype, tolerance=tolerance)
    request = Request(sized, features, dtype, training=True, rows=min(batch, 4))
    variables = random_weights(sized, features, rng)
    weights = unpacked(sized, features, variables)
    states = random_states(sized, batch, rng)
    x = rng.normal(size=(batch, timesteps, features))
    outputs, history = run(sized.graph, x, states, weights)
    grad_y = rng.normal(size=(batch, timesteps, sized.output_size))
    grad_last = {s: rng.normal(size=a.shape) for s, a in states.items()}
    found = kernel_results(request, x, states, variables, grad_y, grad_last)
    exact = gradient_through_time(sized.graph, x, states, weights, grad_y, grad_last)
    if timesteps:
        close("y", found["y"], outputs)
    for s, value in states.items():
        last = history[s][:, -1] if timesteps else value
        close(f"last {s}", found[f"last_{s}"], last)
        close(f"grad {s}", found[f"grad_first_{s}"], exact[f"grad_{s}_prev"])
    close("grad x", found["grad_x"], exact["grad_x"])
    for variable in sized.variables(features):
        gradient = found[f"grad_{variable.name}"].reshape(variable.shape)
        for name, part in variable.unpack(gradient).items():
            close(f"grad {name}", part, exact[f"grad_{name}"])


def assert_close(name, found, exact, dtype, tolerance=None):
    scale = max(1.0, float(np.abs(exact).max(initial=0.0)))
    error = float(np.abs(found - exact).max(initial=0.0)) / scale
    assert error < (tolerance or TOLERANCE[dtype]), f"{name}: error {error:.1e}"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 5, 2, 4), (1, 50, 5, 10), (17, 33, 7, 3)])
@pytest.mark.parametrize("make", CELLS, ids=repr)
def test_kernel_equals_interpreter(make, shape, dtype, rng):
    assert_equals_interpreter(make, *shape, dtype, rng)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-9)])
@pytest.mark.parametrize("make", cells.ALL, ids=repr)
def test_kernel_of_the_zoo_equals_interpreter(make, dtype, tolerance, rng):
    sized = functools.partial(sized_cell, make)
    assert_equals_interpreter(sized, 3, 9, 5, 6, dtype, rng, tolerance)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    features=st.integers(1, 70),
    units=st.one_of(st.integers(1, 130), st.just(512)),
    batch=st.integers(1, 70),
    timesteps=st.integers(0, 30),
    index=st.integers(0, len(CELLS) - 1),
)
def test_kernel_equals_interpreter_for_any_shape(
    features, units, batch, timesteps, index
):
    rng = np.random.default_rng(units)
    # Few steps of a large network, so that float32 has no time to diverge.
    timesteps = min(timesteps, 600 // units + 1)
    assert_equals_interpreter(
        CELLS[index], features, units, batch, timesteps, "float64", rng
    )


def test_long_sequence_equals_interpreter(rng):
    assert_equals_interpreter(cells.lstm, 2, 9, 3, 300, "float64", rng)


@pytest.mark.parametrize(
    "fault", ["swap gates", "transpose", "drop bias", "other form"]
)
def test_planted_fault_is_caught(fault, rng):
    sized = cells.gru(6)
    variables = random_weights(sized, 6, rng)
    wrong = {name: value.copy() for name, value in variables.items()}
    if fault == "swap gates":
        wrong["kernel"] = np.roll(wrong["kernel"], 6, axis=1)
    elif fault == "transpose":
        parts = np.split(wrong["recurrent_kernel"], 3, axis=1)
        wrong["recurrent_kernel"] = np.concatenate([p.T for p in parts], axis=1)
    elif fault == "drop bias":
        wrong["bias"][1] = 0.0
    x, states = rng.normal(size=(2, 5, 6)), random_states(sized, 2, rng)
    exact, _ = run(sized.graph, x, states, unpacked(sized, 6, variables))
    if fault == "other form":
        sized = cells.gru(6, reset_after=False)
        wrong["bias"] = wrong["bias"].sum(0)
    request = Request(sized, 6, "float64")
    given = {"x": x, **wrong, "first_h": states["h"]}
    found = call(kernel_for(request).forward, given, 2, 5, np.dtype("float64"))
    assert np.abs(found["y"] - exact).max() > 1e-3


@pytest.mark.parametrize("against_time", [False, True])
@pytest.mark.parametrize("by_gate", [True, False])
@pytest.mark.parametrize("make", [cells.lstm, cells.gru, leaky], ids=repr)
def test_dropout_equals_equations_with_dropout(make, by_gate, against_time, rng):
    sized, features, batch, timesteps = make(19), 5, 6, 7
    gates = sized.cell.gates if by_gate else ()
    names = [f"recurrent_dropout.{g}" for g in gates] or ["recurrent_dropout"]
    sizes = {"dropout": features, **dict.fromkeys(names, 19)}
    masks = {
        name: (rng.random((batch, size)) > 0.3) / 0.7 for name, size in sizes.items()
    }
    request = Request(
        sized,
        features,
        "float64",
        True,
        dropout=tuple(sorted(masks)),
        rows=3,
        against_time=against_time,
    )
    variables = random_weights(sized, features, rng)
    weights = {**unpacked(sized, features, variables), **masks}
    states = random_states(sized, batch, rng)
    x = rng.normal(size=(batch, timesteps, features))
    grad_y = rng.normal(size=(batch, timesteps, sized.output_size))
    grad_last = {s: rng.normal(size=a.shape) for s, a in states.items()}
    turn = (lambda a: a[:, ::-1]) if against_time else (lambda a: a)
    found = kernel_results(
        request, turn(x), states, variables, grad_y, grad_last, masks
    )
    graph = with_dropout(sized.graph, set(masks))
    outputs, _ = run(graph, x, states, weights)
    exact = gradient_through_time(graph, x, states, weights, grad_y, grad_last)
    assert_close("y", found["y"], outputs, "float64")
    assert_close("grad x", turn(found["grad_x"]), exact["grad_x"], "float64")
    for variable in sized.variables(features):
        gradient = found[f"grad_{variable.name}"].reshape(variable.shape)
        for name, part in variable.unpack(gradient).items():
            assert_close(f"grad {name}", part, exact[f"grad_{name}"], "float64")


def without_skipped(sized, x, states, weights, keep, grad_y, grad_last, hold):
    """What a masked run means: each sample alone, with its skipped steps removed."""
    results = []
    for k, steps in enumerate(keep):
        own = {s: a[k : k + 1] for s, a in states.items()}
        short = x[k : k + 1, steps]
        y, history = run(sized.graph, short, own, weights)
        # A held output passes the gradients of the steps it stands for.
        arriving = np.zeros_like(y)
        source = np.cumsum(steps) - 1
        for t, s in enumerate(source):
            if steps[t] or (hold and s >= 0):
                arriving[0, s] += grad_y[k, t]
        last = {s: g[k : k + 1] for s, g in grad_last.items()}
        grads = gradient_through_time(sized.graph, short, own, weights, arriving, last)
        results.append((y[0], {s: h[0] for s, h in history.items()}, source, grads))
    return results


@pytest.mark.parametrize("units", [17, 70])  # weights in one piece, and in slices
@pytest.mark.parametrize("against_time", [False, True])
@pytest.mark.parametrize("mask", ["hold", "zero"])
@pytest.mark.parametrize("make", [cells.lstm, cells.gru, normalised, leaky], ids=repr)
def test_masked_run_equals_run_without_skipped_steps(
    make, mask, against_time, units, rng
):
    batch, timesteps, hold = 11, 9, mask == "hold"
    sized = make(units)
    request = Request(
        sized, 3, "float64", True, mask=mask, rows=4, against_time=against_time
    )
    keep = rng.random((batch, timesteps)) > 0.4
    keep[1] = False  # nothing counts
    keep[2, :4] = keep[4:9, 5:] = keep[9, 1:] = False  # padding before, and behind
    variables = random_weights(sized, 3, rng)
    weights = unpacked(sized, 3, variables)
    x, states = rng.normal(size=(batch, timesteps, 3)), random_states(sized, batch, rng)
    grad_y = rng.normal(size=(batch, timesteps, sized.output_size))
    grad_last = {s: rng.normal(size=a.shape) for s, a in states.items()}
    turn = (lambda a: a[:, ::-1]) if against_time else (lambda a: a)
    first = dict(states)
    _, names = step_graph(request)
    if "held" in names:
        first["held"] = np.zeros((batch, units))
    given = {s: grad_last.get(s, np.zeros_like(a)) for s, a in first.items()}
    extra = {"mask": turn(keep).astype(float)}
    found = kernel_results(request, turn(x), first, variables, grad_y, given, extra)
    total = {n: np.zeros_like(w) for n, w in weights.items()}
    each = without_skipped(sized, x, states, weights, keep, grad_y, grad_last, hold)
    for k, (y, history, source, grads) in enumerate(each):
        for t, s in enumerate(source):
            counts = keep[k, t] or (hold and s >= 0)
            expected = y[s] if counts else np.zeros(sized.output_size)
            assert_close(f"y {k} {t}", found["y"][k, t], expected, "float64")
        for s, values in history.items():
            last = values[-1] if len(values) else states[s][k]
            assert_close(f"last {s} {k}", found[f"last_{s}"][k], last, "float64")
            assert_close(
                f"grad {s} {k}",
                found[f"grad_first_{s}"][k],
                grads[f"grad_{s}_prev"][0],
                "float64",
            )
        grad_x = np.zeros_like(x[k])
        grad_x[keep[k]] = grads["grad_x"][0]
        assert_close(f"grad x {k}", turn(found["grad_x"])[k], grad_x, "float64")
        for name in total:
            total[name] = total[name] + grads[f"grad_{name}"]
    for variable in sized.variables(3):
        gradient = found[f"grad_{variable.name}"].reshape(variable.shape)
        for name, part in variable.unpack(gradient).items():
            assert_close(f"grad {name}", part, total[name], "float64")


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
