"""Cells that users wrote for Keras: read into equations, or refused with the reason.

`test_backends.py` runs this file once more on other backends.
"""

import keras
import numpy as np
import pytest
from keras import ops

from refrain import layers
from refrain.errors import KernelError
from tests.layers.contract import Case, Trial, array, assert_same, real

UNITS, SHAPE = 4, (3, 6, 5)


class Cell(keras.layers.Layer):
    """A user's cell with the usual weights; `step` tells its equations."""

    states = 1

    def __init__(self, units=UNITS, **kwargs):
        super().__init__(**kwargs)
        self.units = self.output_size = units
        self.state_size = units if self.states == 1 else [units] * self.states
        self.steps = 0

    def build(self, input_shape):
        rows = input_shape[-1]
        self.kernel = self.add_weight(shape=(rows, 4 * self.units), name="kernel")
        self.inner = self.add_weight(shape=(self.units, 4 * self.units), name="inner")
        self.bias = self.add_weight(shape=(4 * self.units,), name="bias")
        self.rows = self.add_weight(shape=(2, self.units), name="rows")
        self.rate = self.add_weight(shape=(), name="rate")
        self.still = self.add_weight(shape=(self.units,), trainable=False, name="still")
        self.dense = keras.layers.Dense(self.units, activation="softplus")
        self.dense.build(input_shape)
        self.norm = keras.layers.LayerNormalization()
        self.norm.build((None, self.units))
        self.drop = keras.layers.Dropout(0.5)

    def call(self, inputs, states, training=False):
        old = states if self.states > 1 else states[0]
        new = self.step(inputs, old, training)
        return new if isinstance(new, tuple) else (new, [new])

    def parts(self, x, h):
        z = ops.matmul(x, self.kernel) + h @ self.inner + self.bias
        return ops.split(z, 4, axis=-1)


def cell_of(step, states=1):
    """A class of cells with this step; Keras finds no config in a closure."""
    return type("Written", (Cell,), {"step": step, "states": states})


def like_lstm(self, x, old, _):
    h, c = old
    i, f, g, o = self.parts(x, h)
    c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
    h = ops.sigmoid(o) * ops.tanh(c)
    return h, [h, c]


def with_layers_inside(self, x, h, _):
    first, *rest = self.parts(x, h)
    inner = self.drop(first, training=False) + self.dense(x)
    return self.norm(inner) + 0.1 * sum(rest)


def with_rows(self, x, h, _):
    a, b = (ops.squeeze(r, 0) for r in ops.split(self.rows, 2, axis=0))
    i, f, g, o = self.parts(x, h)
    return ops.clip(i * self.rows[0] + b, -0.5, 2.0) - ops.maximum(f, g) * a * o


def with_choices(self, x, h, _):
    i, f, g, o = self.parts(x, h)
    size = ops.mean(ops.square(g), axis=-1, keepdims=True)
    gate = ops.softmax(f) / (1.0 + size) + o * ops.cast(o > 0.0, o.dtype)
    return ops.where(i < f, gate * self.rate, ops.exp(self.rate) - h * i) + self.still


def with_slices(self, x, h, _):
    z = ops.concatenate([x @ self.kernel, h @ self.inner], axis=-1)
    n = 4 * self.units
    new = [z[:, k * UNITS : (k + 1) * UNITS] for k in range(8)]
    assert z.shape[-1] == 2 * n
    return sum(ops.tanh(new[k] + k * new[k + 4]) for k in range(4))


def other_output(self, x, old, _):
    h, c = old
    i, f, g, o = self.parts(x, c)
    return ops.gelu(i, approximate=False) + h, [ops.elu(f), h * g + o]


def trains_otherwise(self, x, h, training):
    i, f, g, o = self.parts(x, h)
    return ops.tanh(i + f + g + o) * (0.5 if training else 1.0)


READ = {
    "lstm": cell_of(like_lstm, 2),
    "layers inside": cell_of(with_layers_inside),
    "rows": cell_of(with_rows),
    "choices": cell_of(with_choices),
    "slices": cell_of(with_slices),
    "another output": cell_of(other_output, 2),
    "training": cell_of(trains_otherwise),
}


def case_of(kind, units=UNITS, **options):
    return Case(
        lambda of: of.RNN(kind(units), return_sequences=True, return_state=True),
        **{"batch": SHAPE[0], "timesteps": SHAPE[1], "features": SHAPE[2], **options},
    )


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("name", READ)
def test_a_cell_that_is_read_equals_keras_own_loop(name):
    case = case_of(READ[name], training=name == "training", initial_state=True)
    trial = Trial(layers, case)
    assert "the equations of Written" in trial.layer.explain()
    assert_same(trial.gradients(), Trial(keras.layers, case).gradients())


@pytest.mark.parametrize("units", [1, SHAPE[-1]])
def test_sizes_may_be_equal_or_one(units):
    case = case_of(READ["lstm"], units)
    assert_same(Trial(layers, case).gradients(), Trial(keras.layers, case).gradients())


def test_masks_follow_our_rule():
    case = case_of(READ["lstm"], mask="rows")
    assert_same(Trial(layers, case).gradients(), Trial(keras.layers, case).gradients())


@pytest.mark.parametrize(
    "make",
    [
        lambda of: of.GRUCell(UNITS, activation=lambda v: ops.sin(v) + v),
        lambda of: of.GRUCell(UNITS, reset_after=False, activation=ops.swish),
        lambda of: of.LSTMCell(UNITS, recurrent_activation=ops.softsign),
    ],
    ids=["gru", "gru before", "lstm"],
)
def test_keras_cells_with_activations_of_their_own_are_read(make):
    case = Case(lambda of: of.RNN([make(of), of.SimpleRNNCell(3)]))
    trial = Trial(layers, case)
    assert "native kernels" in trial.layer.explain()
    assert_same(trial.gradients(), Trial(keras.layers, case).gradients())


def test_equal_cells_share_their_kernels():
    from refrain.layers.traced import traced_cell

    made = [READ["lstm"](UNITS) for _ in range(2)]
    for cell in made:
        cell.build((None, SHAPE[-1]))
    one, other = (traced_cell(cell, SHAPE[-1], training=False) for cell in made)
    assert one.cell is other.cell


def test_what_changes_in_a_cell_changes_its_equations():
    def step(self, x, h, _):
        return ops.tanh(sum(self.parts(x, h))) * self.factor

    cell, x = cell_of(step)(), real(np.random.default_rng(0), *SHAPE)
    layer = layers.RNN(cell)
    cell.factor = 1.0
    whole = array(layer(x))
    cell.factor = 0.0
    assert np.abs(whole).min() > 0.0
    assert not array(layer(x)).any()


def counts(self, x, h, _):
    self.steps += 1
    return ops.tanh(sum(self.parts(x, h)))


def assigns(self, x, h, _):
    self.still.assign(self.still + 1.0)
    return ops.tanh(sum(self.parts(x, h)))


TABLE = np.linspace(-1.0, 1.0, UNITS).astype("float32")
UNREAD = {
    "an attribute": (counts, "sets its attribute steps"),
    "a variable": (assigns, "cannot be read: AttributeError"),
    "an array": (lambda self, x, h, _: h * TABLE + x[:, :1], "with a ndarray that is"),
    "part of a state": (lambda self, x, h, _: h + h[:, :1], "a part of the input or"),
    "reversed": (lambda self, x, h, _: h[:, ::-1] + 1.0, "no slice of the units"),
    "sum of all": (
        lambda self, x, h, _: h + ops.sum(h),
        "goes over more than the units",
    ),
    "a transposed kernel": (
        lambda self, x, h, _: h @ self.inner @ ops.transpose(self.inner),
        "the operation Transpose is not",
    ),
    "joined": (
        lambda self, x, h, _: ops.concatenate([h[:, :2], h[:, 2:]], -1) + 1.0,
        "uses several values as one",
    ),
    "a product of states": (
        lambda self, x, h, _: ops.matmul(x, ops.matmul(ops.transpose(x), h)),
        "a product with something else than a matrix",
    ),
    "a choice": (
        lambda self, x, h, _: ops.where(self.rate > 0.0, h, self.dense(x)),
        "rate decides and is not computed with",
    ),
    "an unknown function": (lambda self, x, h, _: ops.arctan(h), "operation Arctan is"),
    "approximate": (lambda self, x, h, _: ops.gelu(h), "gelu approximately"),
    "a cast": (
        lambda self, x, h, _: ops.cast(ops.cast(h, "int32"), h.dtype) + 1.0,
        "the operation Cast is not",
    ),
    "parts that differ": (
        lambda self, x, h, _: (h @ self.inner)[:, 1 : UNITS + 1],
        "does not read inner in equal parts",
    ),
    "dropout": (
        lambda self, x, h, on: self.drop(h, training=on) + 1.0,
        "cannot be rea",
    ),
    "Python's if": (lambda self, x, h, _: h if h[0, 0] > 0 else -h, "cannot be read"),
    "nothing new": (lambda self, x, h, _: h, "never updated"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_what_cannot_be_read_exactly_is_refused(name):
    step, reason = UNREAD[name]
    layer = layers.RNN(cell_of(step)(), name="own")
    layer.build(SHAPE)
    told = layer.explain()
    assert told.startswith(f"own: Keras's own loop on {keras.backend.backend()}")
    assert reason in told


@pytest.mark.parametrize("name", ["an attribute", "approximate"])
def test_what_is_refused_runs_as_keras_runs_it(name):
    case = case_of(cell_of(UNREAD[name][0]))
    assert_same(Trial(layers, case).outputs(), Trial(keras.layers, case).outputs())


def random_step(inputs, states):
    new = states[0] * RNG.random() + ops.mean(inputs, -1, keepdims=True)
    return new, [new]


RNG = np.random.default_rng(0)
RANDOM = {
    "one mode": lambda self, inputs, states: random_step(inputs, states),
    "two modes": lambda self, inputs, states, training=False: random_step(
        inputs, states
    ),
}


@pytest.mark.parametrize("modes", RANDOM)
def test_steps_that_differ_each_time_are_refused(modes):
    layer = layers.RNN(type("Random", (Cell,), {"call": RANDOM[modes]})())
    layer.build(SHAPE)
    assert "does not do the same each time" in layer.explain()


def test_before_it_is_built_nothing_is_known():
    told = layers.RNN(READ["lstm"](), name="own").explain()
    assert told.startswith("own: not known before it is built: Written is not written")


def test_a_demand_for_kernels_names_the_reason(monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "require")
    layer = layers.RNN(cell_of(UNREAD["approximate"][0])())
    with pytest.raises(KernelError, match=r"=require, but .*approximately"):
        layer(np.zeros(SHAPE, "float32"))


@pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")
def test_a_model_with_such_a_cell_trains_saves_and_loads(tmp_path, rng):
    keras.saving.register_keras_serializable("tests")(Elman)
    x = real(rng, 16, 5, 3)
    model = keras.Sequential([layers.RNN(Elman(4)), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, x[:, -1, :1], epochs=1, verbose=0)
    assert "native kernels" in model.layers[0].explain()
    model.save(tmp_path / "own.keras")
    again = keras.models.load_model(tmp_path / "own.keras")
    np.testing.assert_array_equal(array(again(x)), array(model(x)))
    twin = keras.models.clone_model(model)
    for weight, value in zip(twin.weights, model.weights, strict=True):
        weight.assign(value)
    np.testing.assert_allclose(array(twin(x)), array(model(x)), atol=1e-6)


class Elman(keras.layers.Layer):
    """The cell of Keras's own example, more or less."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="W")
        self.inner = self.add_weight(shape=(self.units, self.units), name="U")

    def call(self, inputs, states):
        new = ops.tanh(ops.matmul(inputs, self.kernel) + states[0] @ self.inner)
        return new, [new]

    def get_config(self):
        return {**super().get_config(), "units": self.units}
