"""Cells with what no cell of the zoo has, and a kernel's results beside the meaning."""

import functools

import numpy as np

from refrain import cells
from refrain.bridge.numpy import call
from refrain.cells import cell, matrix, scalar, vector
from refrain.derive.through_time import gradient_through_time
from refrain.functions import (
    layer_norm,
    mean,
    sigmoid,
    softmax,
    sqrt,
    tanh,
    where,
)
from refrain.graph.evaluate import run
from refrain.runtime.driver import Request, kernel_for, step_graph
from refrain.runtime.threads import run_native
from tests.randoms import random_states, random_weights, unpacked


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


@cell(state=("h", "d"))
def delayed(x, h_prev, d_prev, W, U, b):
    """A mean of what the step copies, and so stores without computing it."""
    return tanh(x @ W + (h_prev - mean(h_prev)) @ U + 0.3 * d_prev + b), h_prev


@cell(state="h", gates=("a", "n"))
def divided(x, h_prev, W, U, b):
    """A division by what follows from a product, before another product."""
    a = x @ W.a + b.a
    return tanh(x @ W.n + (h_prev / sqrt(1.0 + a * a)) @ U.n + b.n)


@cell(state=("h", "k"), g=vector(initializer="ones"), M=matrix("memory", "units"))
def weighing(x, h_prev, k_prev, W, U, b, g, M):  # noqa: ARG001
    """Weights of which all units are read at once, a state of them, one not read."""
    h = tanh(x @ W + h_prev @ U + g @ U + softmax(g) - mean(b) + k_prev)
    return h, tanh(g)


@cell(state="h")
def free(x, h_prev, U, b):  # noqa: ARG001
    """A cell that does not read its input."""
    return softmax(h_prev @ U + b) - 0.5 * h_prev


CELLS = [
    cells.simple_rnn,
    functools.partial(cells.simple_rnn, activation="relu"),
    cells.lstm,
    functools.partial(cells.lstm, recurrent_activation="hard_sigmoid"),
    functools.partial(cells.lstm, use_bias=False),
    cells.gru,
    functools.partial(cells.gru, reset_after=False),
    cells.peephole_lstm,
    normalised,
    leaky,
    twins,
    choosing,
    delayed,
    divided,
    functools.partial(weighing, memory=3),
    free,
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
        zeros = np.zeros(b.shape(batch, timesteps))
        arrays[b.name] = np.ascontiguousarray(given.get(b.name, zeros), dtype)
    for b in native.program.outputs:
        own = np.empty(b.shape(batch, timesteps), dtype)
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


def assert_masked_skips(sized, mask, against_time, rng):
    """A masked run is each sample's run without the steps that its mask leaves out."""
    batch, timesteps, hold = 11, 9, mask == "hold"
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
        first["held"] = np.zeros((batch, sized.output_size))
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
