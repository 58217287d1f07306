"""Recurrent nodes of ONNX against ONNX Runtime, and files not to be trusted."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import refrain
from refrain.errors import ConversionError
from tests.convert.architectures import real
from tests.convert.nodes import FLOAT, GATES, STATES, USUAL, compared, model_of
from tests.layers.contract import array

BATCH, STEPS, FEATURES, UNITS = USUAL

INITIAL = {kind: tuple(f"initial_{s}" for s in STATES[kind]) for kind in STATES}


@pytest.mark.parametrize("wired", ["nothing", "lengths", "states and lengths"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "attributes"),
    [
        ("RNN", {}),
        ("GRU", {"linear_before_reset": 0}),
        ("GRU", {"linear_before_reset": 1}),
        ("LSTM", {}),
    ],
    ids=str,
)
def test_nodes_compute_what_onnx_runtime_does(kind, attributes, direction, wired):
    names = ("sequence_lens",) if "lengths" in wired else ()
    names += INITIAL[kind] if "states" in wired else ()
    model = model_of(kind, names, direction=direction, **attributes)
    found, expected = compared(model, kind, names)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


SETTINGS = {
    "no bias": ("LSTM", {"drop": ("B",)}),
    "other activations": (
        "LSTM",
        {
            "activations": ["HardSigmoid", "Softsign", "Softsign"],
            "activation_alpha": [1 / 6],
            "activation_beta": [0.5],
        },
    ),
    "one for each direction": (
        "GRU",
        {
            "direction": "bidirectional",
            "activations": ["Sigmoid", "Relu", "Sigmoid", "Elu"],
            "activation_alpha": [1.0],
        },
    ),
    "peepholes": ("LSTM", {"wired": ("P",), "direction": "bidirectional"}),
    "one gate for both": ("LSTM", {"input_forget": 1}),
    "linear": ("RNN", {"activations": ["Affine"], "activation_alpha": [1.0]}),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_nodes(name):
    kind, settings = SETTINGS[name]
    found, expected = compared(model_of(kind, **settings), kind, ())
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


REFUSED = {
    "no peepholes": ("LSTM", {"wired": ("P",), "input_forget": 1}),
    "have no clip": ("LSTM", {"clip": 1.0}),
    "no activation ThresholdedRelu": ("RNN", {"activations": ["ThresholdedRelu"]}),
    r"HardSigmoid with constants \[0.2, 0.5\]": (
        "GRU",
        {"activations": ["HardSigmoid", "Tanh"]},
    ),
    "the same activation for the candidate": (
        "LSTM",
        {"activations": ["Sigmoid", "Tanh", "Relu"]},
    ),
    "expected 2 activations": ("GRU", {"activations": ["Tanh"]}),
    "received clip=b'much'": ("GRU", {"clip": "much"}),
    "received shape=2": ("GRU", {"shape": 2}),
    "unknown direction 'sideways'": ("GRU", {"direction": "sideways"}),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_is_not_the_same_is_refused(message):
    kind, settings = REFUSED[message]
    with pytest.raises(ConversionError, match=message):
        refrain.from_onnx(model_of(kind, **settings))


def test_a_node_is_found_by_name(tmp_path):
    model = model_of("GRU")
    onnx.save(model, tmp_path / "gru.onnx")
    assert len(refrain.from_onnx(tmp_path / "gru.onnx", "Y_h").inputs) == 1
    with pytest.raises(ConversionError, match=r"'gru'; the graph has Y \(GRU\)"):
        refrain.from_onnx(model, "gru")
    model.graph.node.append(model.graph.node[0])
    with pytest.raises(ConversionError, match="the name of one recurrent node"):
        refrain.from_onnx(model)


def test_hostile_files_are_refused(tmp_path):
    file = tmp_path / "model.onnx"
    with pytest.raises(ConversionError, match="No such file"):
        refrain.from_onnx(file)
    file.write_bytes(b"\x80\x04cos\nsystem\n")
    with pytest.raises(ConversionError, match="is not an ONNX model"):
        refrain.from_onnx(file)
    with pytest.raises(ConversionError, match="expected the path of an ONNX file"):
        refrain.from_onnx(7)


def test_nodes_without_weights_are_refused():
    model = model_of("RNN")
    del model.graph.node[0].input[1:]
    with pytest.raises(ConversionError, match="expected W as a tensor of the file"):
        refrain.from_onnx(model)


def test_hostile_tensors_are_refused():
    outside = model_of("GRU")
    outside.graph.initializer[0].data_location = TensorProto.EXTERNAL
    with pytest.raises(ConversionError, match="it refers to another one"):
        refrain.from_onnx(outside)
    huge = model_of("GRU")
    huge.graph.initializer[0].dims[1] = 2**40
    with pytest.raises(ConversionError, match="W: damaged tensor"):
        refrain.from_onnx(huge)
    integer = model_of("GRU")
    integer.graph.initializer[0].data_type = TensorProto.INT32
    with pytest.raises(ConversionError, match="W: expected float32, received int32"):
        refrain.from_onnx(integer)
    other = model_of("GRU")
    other.graph.initializer[1].CopyFrom(numpy_helper.from_array(real(1, 18, 5), "R"))
    with pytest.raises(ConversionError, match=r"expected R of shape \(1, 18, 6\)"):
        refrain.from_onnx(other)
    scalar = model_of("RNN")
    scalar.graph.initializer[1].CopyFrom(numpy_helper.from_array(real(), "R"))
    with pytest.raises(ConversionError, match=r"expected R of shape \(1, 6, 6\)"):
        refrain.from_onnx(scalar)
    computed = model_of("GRU")
    del computed.graph.initializer[0]
    with pytest.raises(ConversionError, match="expected W as a tensor of the file"):
        refrain.from_onnx(computed)


def chain_of(kinds, between, direction="forward"):
    """A graph of nodes, each of which reads the one before, moved as exporters do."""
    count = 2 if direction == "bidirectional" else 1
    nodes, tensors, name, features = [], [], "X", FEATURES
    for k, kind in enumerate(kinds):
        rows = GATES[kind] * UNITS
        shapes = ((count, rows, features), (count, rows, UNITS), (count, 2 * rows))
        given = [f"{part}{k}" for part in "WRB"]
        for seed, (tensor, shape) in enumerate(zip(given, shapes, strict=True)):
            array = 0.4 * real(*shape, seed=3 * k + seed)
            tensors.append(numpy_helper.from_array(array, tensor))
        out = [f"Y{k}", *(f"Y{k}_{s}" for s in STATES[kind])]
        more = {"linear_before_reset": 1} if kind == "GRU" else {}
        settings = {"hidden_size": UNITS, "direction": direction, **more}
        nodes.append(helper.make_node(kind, [name, *given], out, f"n{k}", **settings))
        name, features = f"Y{k}", count * UNITS
        for j, (op, setting) in enumerate(between if k < len(kinds) - 1 else ()):
            reads, more = [name], {}
            if op == "Transpose":
                more = {"perm": setting}
            elif setting is not None:
                numbers = numpy_helper.from_array(np.array(setting), f"c{k}{j}")
                tensors.append(numbers)
                reads.append(f"c{k}{j}")
            name = f"moved{k}{j}"
            nodes.append(helper.make_node(op, reads, [name], **more))
    returned = [*nodes[-1].output[:1]]
    returned += [n for node in nodes if node.name for n in node.output[1:]]
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("X", FLOAT, (STEPS, BATCH, FEATURES))],
        [helper.make_tensor_value_info(n, FLOAT, None) for n in returned],
        tensors,
    )
    opset = [helper.make_opsetid("", 14)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)


SQUEEZED = [("Identity", None), ("Squeeze", [1])]
SIDE_BY_SIDE = [("Transpose", [0, 2, 1, 3]), ("Reshape", [0, 0, -1])]


@pytest.mark.parametrize(
    ("kinds", "between", "direction"),
    [
        (["LSTM", "GRU", "LSTM"], SQUEEZED, "forward"),
        (["GRU", "RNN"], SIDE_BY_SIDE, "bidirectional"),
        (["RNN", "GRU"], SIDE_BY_SIDE, "reverse"),
    ],
)
def test_a_chain_of_nodes_is_one_model(kinds, between, direction):
    model, x = chain_of(kinds, between, direction), real(BATCH, STEPS, FEATURES, seed=7)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    y, *last = session.run(None, {"X": x.swapaxes(0, 1)})
    expected = [y.transpose(2, 0, 1, 3).reshape(BATCH, STEPS, -1)]
    counts = [len(STATES[kind]) for kind in kinds]
    for n in counts:
        states, last = last[:n], last[n:]
        expected += [s[k] for k in range(len(states[0])) for s in states]
    found = [array(a) for a in refrain.from_onnx(model)(x)]
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    one = refrain.from_onnx(model, "n1")
    assert one.inputs[0].shape[-1] == (2 if direction == "bidirectional" else 1) * UNITS


def test_lengths_and_states_of_a_chain():
    model = chain_of(["GRU", "LSTM"], SQUEEZED)
    for node in (model.graph.node[0], model.graph.node[-1]):
        node.input.extend(["lengths", f"{node.name}_h"])
    model.graph.node[-1].input.append("n1_c")
    for name in ("n0_h", "n1_h", "n1_c"):
        shape = (1, BATCH, UNITS)
        model.graph.input.append(helper.make_tensor_value_info(name, FLOAT, shape))
    whole = helper.make_tensor_value_info("lengths", TensorProto.INT32, (BATCH,))
    model.graph.input.append(whole)
    x, lengths = real(BATCH, STEPS, FEATURES), np.array([5, 2, 3], "int32")
    states = {n: real(1, BATCH, UNITS, seed=k) for k, n in enumerate(("a", "b", "c"))}
    fed = dict(zip(("n0_h", "n1_h", "n1_c"), states.values(), strict=True))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    y, *last = session.run(None, {"X": x.swapaxes(0, 1), "lengths": lengths, **fed})
    made = refrain.from_onnx(model)
    assert [i.name for i in made.inputs][2:] == [
        "layer_0_forward_h",
        "layer_1_forward_h",
        "layer_1_forward_c",
    ]
    mask = np.arange(STEPS) < lengths[:, None]
    found = made([x, mask, *(s[0] for s in states.values())])
    expected = [y[:, 0].swapaxes(0, 1), *(s[0] for s in last)]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(array(ours), theirs, atol=1e-5)
    model.graph.node[0].input[4] = ""
    with pytest.raises(ConversionError, match=r"the same lengths .*None, lengths"):
        refrain.from_onnx(model)


@pytest.mark.parametrize(
    ("between", "message"),
    [
        (
            [("Transpose", [0, 2, 1, 3]), ("Relu", None)],
            r"node moved01 \(Relu\) between",
        ),
        ([("Reshape", [0, 0, -1])], "another arrangement"),
        ([("Transpose", [2, 0, 1, 3]), ("Reshape", [0, 0, -1])], "another arrangement"),
        ([("Squeeze", [3])], "another arrangement"),
        ([("Reshape", [7, 7, 7])], "another arrangement"),
    ],
)
def test_what_is_no_chain_is_refused(between, message):
    model = chain_of(["LSTM", "LSTM"], between, "bidirectional")
    with pytest.raises(ConversionError, match=message):
        refrain.from_onnx(model)


def test_branches_and_circles_are_no_chain():
    model = chain_of(["LSTM", "GRU", "RNN"], SQUEEZED)
    model.graph.node[-1].input[0] = "moved01"
    text = r"expected a chain .* the graph has n0 \(LSTM\), n1 \(GRU\), n2 \(RNN\)"
    with pytest.raises(ConversionError, match=text):
        refrain.from_onnx(model)
    model.graph.node[0].input[0] = "Y0"
    with pytest.raises(ConversionError, match=r"another arrangement|expected a chain"):
        refrain.from_onnx(model)
    circle = chain_of(["LSTM", "GRU"], SQUEEZED)
    circle.graph.node[1].input[0] = "moved01"
    with pytest.raises(ConversionError, match="a graph without circles"):
        refrain.from_onnx(circle)
