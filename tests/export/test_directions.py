"""Two cells that read one sequence from both ends are one node where they can be."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto

from refrain import cells
from refrain.export.loops import write_loops
from refrain.export.masks import Mask
from refrain.export.session import finish, run
from refrain.export.writer import Writer, value_info
from refrain.network.records import Loop
from tests.export.runs import Case, meant, samples, weights_of
from tests.layers.samples import mgu

PAIRS = {
    "LSTM": (cells.lstm(5), cells.lstm(5)),
    "GRU before": (cells.gru(4, reset_after=False),) * 2,
    "RNN": (cells.simple_rnn(4, activation="elu"), cells.simple_rnn(4)),
    "GRU and GRU": (cells.gru(4), cells.gru(3)),
    "LSTM and GRU": (cells.lstm(4), cells.gru(4)),
    "LSTM and Scan": (cells.lstm(4), mgu(4)),
    "Scan": (mgu(3), mgu(5)),
}
ONE_NODE = {"LSTM", "GRU before", "RNN"}


@pytest.mark.parametrize("mask", ["", "any"])
@pytest.mark.parametrize("name", PAIRS)
def test_both_directions_equal_the_interpreter(name, mask, rng):
    pair = [
        Case(sized, against_time=bool(k), mask=mask)
        for k, sized in enumerate(PAIRS[name])
    ]
    weights = [weights_of(case, rng) for case in pair]
    w = Writer()
    loops = [
        Loop(case.sized, case.features, arrays, case.against_time)
        for case, arrays in zip(pair, weights, strict=True)
    ]
    names = [
        {s: f"{s}_first_{k}" for s in c.sized.cell.states} for k, c in enumerate(pair)
    ]
    found = write_loops(w, loops, "x", names, Mask("mask") if mask else None)
    inputs, outputs = [value_info("x", ["batch", "time", 3])], []
    if mask:
        inputs.append(value_info("mask", ["batch", "time"], TensorProto.BOOL))
    for k, (case, result) in enumerate(zip(pair, found, strict=True)):
        sizes = zip(case.sized.cell.states, case.sized.state_size, strict=True)
        inputs += [value_info(f"{s}_first_{k}", ["batch", n]) for s, n in sizes]
        results = {
            "outputs": result.outputs,
            "last": result.last_output,
            **result.states,
        }
        for kind in ("outputs", "last", *case.sized.cell.states):
            w.rename(results[kind], f"{kind}_{k}")
            shape = ["batch", "time", None] if kind == "outputs" else ["batch", None]
            outputs.append(value_info(f"{kind}_{k}", shape))
    model = finish(w, "both", inputs, outputs)
    nodes = [n for n in model.graph.node if n.op_type in ("LSTM", "GRU", "RNN", "Scan")]
    assert len(nodes) == (1 if name in ONE_NODE else 2)

    feeds = [samples(case, 3, 7, rng) for case in pair]
    shared = {n: feeds[0][n] for n in feeds[0] if n in ("x", "mask")}
    given = {
        f"{n}_{k}": v
        for k, feed in enumerate(feeds)
        for n, v in feed.items()
        if n not in shared
    }
    (results,) = run(model, shared | given)
    for k, case in enumerate(pair):
        expected = meant(case, weights[k], feeds[k] | shared)
        for kind, value in expected.items():
            np.testing.assert_allclose(results[f"{kind}_{k}"], value, atol=3e-6)


def test_directions_that_are_swapped_are_caught(rng):
    case = Case(cells.lstm(3))
    weights = weights_of(case, rng)
    feed = samples(case, 2, 6, rng)
    forward = meant(case, weights, feed)["outputs"]
    backward = meant(replace(case, against_time=True), weights, feed)["outputs"]
    assert np.abs(forward - backward).max() > 1e-3
