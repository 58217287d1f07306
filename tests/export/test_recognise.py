"""Which cells are ONNX's LSTM, GRU and RNN: by their equations, not their names."""

import pytest

from refrain import cells
from refrain.cells import cell, vector
from refrain.functions import relu, sigmoid, tanh
from tests.export.runs import Case, difference, exported, weights_of
from tests.layers.samples import mgu, two_faced


@cell(state=("memory", "out"), output="y", gates=("keep", "write", "show", "new"))
def renamed(x, memory_prev, out_prev, W, U, b):
    """An LSTM in words of its own, its sums and products in another order."""
    show = sigmoid(out_prev @ U.show + b.show + x @ W.show)
    write = sigmoid(b.write + (x @ W.write + out_prev @ U.write))
    keep = sigmoid(1.0 + x @ W.keep - (-b.keep) + out_prev @ U.keep)
    new = tanh(x @ W.new + out_prev @ U.new + b.new)
    memory = new * write + memory_prev * keep
    y = tanh(memory) * show
    return y, memory, y


GATES = ("i", "f", "g", "o")


@cell(state=("h", "c"), gates=GATES, p=vector(gates=("i", "f", "o")))
def peephole(x, h_prev, c_prev, W, U, b, p, *, late=True):
    """Peepholes: ONNX's output gate sees the new c; with `late=False`, the old one."""
    i = sigmoid(x @ W.i + h_prev @ U.i + b.i + p.i * c_prev)
    f = sigmoid(x @ W.f + h_prev @ U.f + b.f + c_prev * p.f)
    c = f * c_prev + i * tanh(x @ W.g + h_prev @ U.g + b.g)
    o = sigmoid(x @ W.o + h_prev @ U.o + b.o + p.o * (c if late else c_prev))
    return o * tanh(c), c


@cell(state=("h", "c"), gates=("i", "g", "o"))
def coupled(x, h_prev, c_prev, W, U, b, *, of_input=True):
    """One gate for both; ONNX's forgets what it writes: f = 1 - i."""
    i = sigmoid(x @ W.i + h_prev @ U.i + b.i)
    g = tanh(x @ W.g + h_prev @ U.g + b.g)
    o = sigmoid(x @ W.o + h_prev @ U.o + b.o)
    keep, write = (1 - i, i) if of_input else (i, 1 - i)
    c = keep * c_prev + write * g
    return o * tanh(c), c


@cell(state="h", gates=("z", "r", "n"))
def interpolating(x, h_prev, W, U, b):
    """A GRU whose last line is written another way."""
    z = sigmoid(x @ W.z + h_prev @ U.z + b.z)
    r = sigmoid(x @ W.r + h_prev @ U.r + b.r)
    n = tanh((h_prev * r) @ U.n + x @ W.n + b.n)
    return n + z * (h_prev - n)


@cell(state=("h", "c"), gates=GATES)
def uneven(x, h_prev, c_prev, W, U, b):
    """An LSTM but for one gate's activation."""
    i = relu(x @ W.i + h_prev @ U.i + b.i)
    f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
    o = sigmoid(x @ W.o + h_prev @ U.o + b.o)
    c = f * c_prev + i * tanh(x @ W.g + h_prev @ U.g + b.g)
    return o * tanh(c), c


CASES = {
    "lstm": (cells.lstm(4), "LSTM"),
    "lstm without bias": (cells.lstm(4, use_bias=False), "LSTM"),
    "lstm with other activations": (
        cells.lstm(4, activation="elu", recurrent_activation="hard_sigmoid"),
        "LSTM",
    ),
    "lstm renamed": (renamed(4), "LSTM"),
    "peephole": (peephole(4), "LSTM"),
    "peephole, old c": (peephole(4, late=False), "Scan"),
    "coupled": (coupled(4), "LSTM"),
    "coupled the other way": (coupled(4, of_input=False), "Scan"),
    "uneven": (uneven(4), "Scan"),
    "gru": (cells.gru(4), "GRU"),
    "gru, reset before": (cells.gru(4, reset_after=False), "GRU"),
    "gru without bias": (cells.gru(4, use_bias=False), "GRU"),
    "gru interpolating": (interpolating(4), "GRU"),
    "simple rnn": (cells.simple_rnn(4), "RNN"),
    "mgu": (mgu(4), "Scan"),
    "lstm mish": (cells.lstm(4, activation="mish"), "Scan"),
    "two faced": (two_faced(4), "Scan"),
}


def attributes(model) -> dict[str, object]:
    (node,) = (n for n in model.graph.node if n.op_type in ("LSTM", "GRU", "RNN"))
    return {a.name: a for a in node.attribute}


@pytest.mark.parametrize("name", CASES)
def test_node(name, rng):
    sized, expected = CASES[name]
    case = Case(sized)
    model = exported(case, weights_of(case, rng))
    found = {n.op_type for n in model.graph.node} & {"LSTM", "GRU", "RNN", "Scan"}
    assert found == {expected}
    assert difference(case, rng) < 2e-6


@pytest.mark.parametrize(
    "name",
    [
        *("sigmoid", "tanh", "relu", "leaky_relu", "elu"),
        *("softsign", "softplus", "hard_sigmoid", "linear"),
    ],
)
@pytest.mark.parametrize("make", [cells.lstm, cells.gru, cells.simple_rnn], ids=str)
def test_activation_is_one_that_onnx_knows(make, name, rng):
    case = Case(make(3, activation=name))
    model = exported(case, weights_of(case, rng))
    assert "Scan" not in {n.op_type for n in model.graph.node}
    weights = {n: 0.3 * v for n, v in weights_of(case, rng).items()}
    assert difference(case, rng, weights) < 2e-6


def test_forms_are_told_by_attributes(rng):
    def of(sized):
        return attributes(exported(Case(sized), weights_of(Case(sized), rng)))

    assert of(cells.gru(4))["linear_before_reset"].i == 1
    assert of(cells.gru(4, reset_after=False))["linear_before_reset"].i == 0
    assert of(coupled(4))["input_forget"].i == 1
    assert "input_forget" not in of(cells.lstm(4))
