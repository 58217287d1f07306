"""Recurrent nodes of ONNX, and what ONNX Runtime and our layers make of them."""

from typing import NamedTuple

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import refrain
from tests.convert.architectures import real
from tests.layers.contract import array

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
STATES = {"RNN": "h", "LSTM": "hc", "GRU": "h"}
FLOAT = TensorProto.FLOAT


class Sizes(NamedTuple):
    """Of a node and of what it reads."""

    batch: int = 3
    steps: int = 5
    features: int = 4
    units: int = 6


USUAL = Sizes()


def model_of(kind, wired=(), drop=(), sizes=USUAL, **attributes):
    """A graph of one node, all of whose weights are other numbers."""
    batch, steps, features, units = sizes
    count = 2 if attributes.get("direction") == "bidirectional" else 1
    rows = GATES[kind] * units
    weights = {
        "W": 0.5 * real(count, rows, features, seed=1),
        "R": 0.4 * real(count, rows, units, seed=2),
        "B": 0.3 * real(count, 2 * rows, seed=3),
        "P": 0.3 * real(count, 3 * units, seed=4),
    }
    state = (count, batch, units)
    free = {
        "X": (FLOAT, (steps, batch, features)),
        "sequence_lens": (TensorProto.INT32, (batch,)),
        "initial_h": (FLOAT, state),
        "initial_c": (FLOAT, state),
    }
    names = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
    kept = {"X", "W", "R", "B", *wired} - set(drop)
    inputs = [name if name in kept else "" for name in names]
    outputs = ["Y", *(f"Y_{s}" for s in STATES[kind])]
    node = helper.make_node(
        kind,
        inputs[: 8 if kind == "LSTM" else 6],
        outputs,
        hidden_size=units,
        **attributes,
    )
    tensors = [numpy_helper.from_array(v, n) for n, v in weights.items() if n in kept]
    graph = helper.make_graph(
        [node],
        "one",
        [helper.make_tensor_value_info(n, *v) for n, v in free.items() if n in kept],
        [helper.make_tensor_value_info(n, FLOAT, None) for n in outputs],
        tensors,
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=9
    )


def compared(model, kind, wired, sizes=USUAL):
    """Outputs of ours and of ONNX Runtime, in Keras's shapes."""
    batch, steps, features, units = sizes
    lengths = np.resize([steps, max(1, steps // 2), max(1, steps - 2)], batch)
    x = real(batch, steps, features, seed=7)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    weights = next(t for t in model.graph.initializer if t.name == "W")
    count = weights.dims[0]
    states = {f"initial_{s}": real(count, batch, units, seed=ord(s)) for s in "hc"}
    fed = {"X": x.swapaxes(0, 1), "sequence_lens": lengths.astype("int32"), **states}
    taken = {i.name for i in session.get_inputs()}
    y, *last = session.run(None, {k: v for k, v in fed.items() if k in taken})
    expected = [y.transpose(2, 0, 1, 3).reshape(batch, steps, -1)]
    expected += [state[k] for k in range(count) for state in last]
    given = [x]
    if "sequence_lens" in wired:
        given.append(np.arange(steps) < lengths[:, None])
    if "initial_h" in wired:
        given += [states[f"initial_{s}"][k] for k in range(count) for s in STATES[kind]]
    given = given if len(given) > 1 else x
    return [array(a) for a in refrain.from_onnx(model)(given)], expected
