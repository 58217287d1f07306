"""A user's mistake gets one clear error, before any work."""

import keras
import numpy as np
import pytest
from keras import ops

from refrain import cells, layers
from refrain.errors import CellError, KernelError, LayerError
from tests.layers.contract import array
from tests.layers.samples import mgu

X = np.zeros((2, 3, 4), "float32")
STATE = np.zeros((2, 3), "float32")
KINDS = [layers.SimpleRNN, layers.LSTM, layers.GRU]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (object(), ValueError, "`cell` should have a `call` method"),
        (keras.layers.Dense(3), ValueError, "should have a `state_size` attribute"),
        (mgu, LayerError, r"mgu: expected a number of units, e.g. mgu\(128\)"),
        ([mgu], LayerError, r"mgu: expected a number of units"),
        ([], LayerError, "expected at least one cell"),
        (
            layers.LSTM(3, name="inner"),
            LayerError,
            "received the layer inner.*LSTMCell",
        ),
    ],
    ids=("object", "layer", "cell", "cells", "none", "recurrent layer"),
)
def test_no_cell(given, error, message):
    with pytest.raises(error, match=message):
        layers.RNN(given)


@pytest.mark.parametrize("given", [3, "lstm", layers.LSTMCell])
def test_a_cell_layer_wants_equations_with_their_units(given):
    with pytest.raises(
        LayerError, match=r"expected a cell with its units, e\.g\. lstm"
    ):
        layers.CellLayer(given)


@pytest.mark.parametrize("units", [0, -3])
@pytest.mark.parametrize("make", KINDS)
def test_no_units(make, units):
    with pytest.raises(ValueError, match=f"`units`, expected a positive.*{units}"):
        make(units)


@pytest.mark.parametrize("units", [0, -3, 2.5, None, True, "7"])
def test_no_units_of_equations(units):
    with pytest.raises(CellError, match="lstm: expected units to be an integer of at"):
        cells.lstm(units)


@pytest.mark.parametrize("make", KINDS)
def test_unknown_activation(make):
    text = r"an activation among .*tanh, .*; received 'tanhh'\.\n  Hint: did .* tanh"
    with pytest.raises(LayerError, match=text):
        make(3, activation="tanhh")
    with pytest.raises(
        ValueError, match=r"received 'what'\.\n  Hint: or give a functi"
    ):
        make(3, "what")


@pytest.mark.parametrize("make", [layers.LSTMCell, layers.GRUCell])
def test_unknown_activation_of_a_cell(make):
    with pytest.raises(LayerError, match=r"Cell: expected .* received 'sigmoida'"):
        make(3, recurrent_activation="sigmoida")


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (lambda w: w[:2], r"received \(4, 6\), \(2, 6\)\."),
        (lambda w: [a.T for a in w], r"received \(6, 4\), \(6, 2\), \(6, 2\)\."),
        (lambda w: [], "received none."),
    ],
)
def test_weights_that_do_not_fit(change, received):
    layer = layers.GRU(2, name="named")
    layer.build((None, None, 4))
    arrays = [array(weight.value) for weight in layer.weights]
    expected = r"named: expected weights of shape kernel \(4, 6\), .* bias \(2, 6\); "
    with pytest.raises(LayerError, match=f"{expected}{received}\n  Hint: build"):
        layer.set_weights(change(arrays))
    with pytest.raises(LayerError, match="expected weights of shape none; received"):
        layers.GRU(2).set_weights(arrays)


@pytest.mark.parametrize(
    ("layer", "shape", "expected"),
    [
        (layers.Bidirectional(layers.SimpleRNN(2)), (None, 3, 4), r"kernel \(4, 2\), "),
        (layers.RNN([layers.LSTMCell(2)]), (None, 3, 4), r"kernel \(4, 8\), "),
        (layers.LSTMCell(2), (None, 4), r"kernel \(4, 8\), "),
        (layers.CellLayer(mgu(2)), (None, 4), r"kernel \(4, 4\), "),
    ],
    ids=["both ways", "stack", "cell", "equations"],
)
def test_weights_that_do_not_fit_other_layers(layer, shape, expected):
    layer.build(shape)
    with pytest.raises(LayerError, match=f"{expected}.* received .*\n  Hint: build"):
        layer.set_weights([array(w.value).T for w in layer.weights])


@pytest.mark.parametrize(
    "make", [layers.LSTM, lambda n, **kw: layers.Bidirectional(layers.GRU(n, **kw))]
)
def test_another_batch_than_states_are_kept_for(make):
    layer = make(3, stateful=True)
    layer(X)
    with pytest.raises(LayerError, match=r"expected the batch size 2.* received 1\."):
        layer(X[:1])


def test_there_are_no_constants():
    """Nor are there in Keras 3, though its documentation speaks of them."""
    for of in (layers, keras.layers):
        with pytest.raises(TypeError, match="unexpected keyword argument 'constants'"):
            of.RNN(of.LSTMCell(3))(X, constants=[STATE])


def test_unknown_option_of_equations():
    with pytest.raises(
        CellError, match=r"mgu: unknown option\(s\) units_; expected among"
    ):
        mgu(3, units_=4)


@pytest.mark.parametrize("x", [X[0], X[None], X[0, 0]], ids=lambda x: f"rank {x.ndim}")
@pytest.mark.parametrize("make", [*KINDS, lambda units: layers.RNN(mgu(units))])
def test_wrong_rank(make, x):
    with pytest.raises(ValueError, match="expected ndim=3, found ndim="):
        make(3)(x)


@pytest.mark.parametrize("make", KINDS)
def test_unknown_features(make):
    with pytest.raises(ValueError, match=r"must be fully-defined \(no `None`"):
        make(3)(keras.Input((None, None)))


def test_unknown_features_of_equations():
    with pytest.raises(LayerError, match="mgu: the number of features is not known"):
        layers.RNN(mgu(3))(keras.Input((None, None)))


@pytest.mark.parametrize("make", [*KINDS, lambda units: layers.RNN(mgu(units))])
def test_other_features_than_before(make):
    layer = make(3)
    layer(X)
    with pytest.raises(ValueError, match="axis -1 of input shape to have value 4"):
        layer(X[..., :3])


@pytest.mark.parametrize(
    ("states", "received"),
    [
        ([STATE], r"received \(2, 3\)"),
        ([STATE, STATE, STATE], r"received \(2, 3\), \(2, 3\), \(2, 3\)"),
        ([STATE[:1], STATE[:1]], r"received \(1, 3\), \(1, 3\)"),
        ([STATE, STATE[:, :2]], r"received \(2, 3\), \(2, 2\)"),
        ([STATE[0], STATE[0]], r"received \(3,\), \(3,\)"),
    ],
)
def test_states_that_do_not_fit(states, received):
    expected = r"named: expected states of shape \(2, 3\), \(2, 3\), " + received
    with pytest.raises(LayerError, match=expected):
        layers.LSTM(3, name="named")(X, initial_state=states)


def test_states_of_a_cell_that_do_not_fit():
    with pytest.raises(LayerError, match=r"expected states .* received \(2, 3\)"):
        layers.LSTMCell(3)(X[:, 0], [STATE])


@pytest.mark.parametrize("shape", [(2, 4), (3, 3), (2,), (2, 3, 1, 1)])
def test_mask_that_does_not_fit(shape):
    with pytest.raises(LayerError, match=r"expected a mask of shape \(2, 3\), rec"):
        layers.GRU(3)(X, mask=np.ones(shape, bool))


@pytest.mark.parametrize("rate", [-0.1, 1.0])
@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
def test_dropout_that_is_no_rate(name, rate):
    with pytest.raises(LayerError, match=f"mgu: expected 0 <= {name} < 1, received"):
        layers.CellLayer(mgu(3), **{name: rate})


def test_unknown_wish_for_kernels(monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "fast")
    with pytest.raises(KernelError, match="expected off or require, received 'fast'"):
        layers.LSTM(3)(X)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (
            lambda: layers.LSTM(3, activation=lambda v: v**3),
            "the activation <lambda> is",
        ),
        (lambda: layers.LSTM(3, dtype="mixed_bfloat16"), "not in bfloat16"),
    ],
)
def test_a_demand_for_kernels_that_cannot_be_met(layer, reason, monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "require")
    with pytest.raises(KernelError, match=f"REFRAIN_KERNELS=require, but .*{reason}"):
        layer()(X)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            {"resets": np.ones((3, 6), bool)},
            r"resets of shape \(3, 7\), received \(3, 6",
        ),
        ({"lengths": np.ones((2,), int)}, r"lengths of shape \(3,\), received \(2,\)"),
        ({"lengths": np.ones(3)}, "expected lengths to be integers, received float"),
        (
            {"lengths": np.array([1, 8, 2])},
            "0 to 7, the number of steps; received 8",
        ),
        ({"lengths": np.array([1, -1, 2])}, "lengths from 0 to 7.*received -1"),
        (
            {"lengths": np.array([1, 2, 2]), "mask": np.ones((3, 7), bool)},
            "expected a mask or lengths, received both",
        ),
    ],
)
@pytest.mark.parametrize(
    "of", [layers.LSTM, lambda n: layers.Bidirectional(layers.GRU(n))]
)
def test_wrong_calls_are_told(of, call, text):
    with pytest.raises(LayerError, match=text):
        of(3)(np.zeros((3, 7, 4), "float32"), **call)


@pytest.mark.parametrize(
    ("zoneout", "text"),
    [
        (1.0, "expected 0 <= zoneout < 1, received 1.0"),
        (-0.1, "expected 0 <= zoneout < 1, received -0.1"),
        ({"s": 0.1}, "zoneout for states among h, c, received one for 's'"),
        ("much", "zoneout to be a rate, or a mapping from states to rates"),
    ],
)
def test_wrong_zoneout_is_told(zoneout, text):
    with pytest.raises(LayerError, match=text):
        layers.LSTM(3, zoneout=zoneout)


@pytest.mark.parametrize("change", [{"zoneout": 0.1}, {"return_all_states": True}])
def test_cells_without_equations_cannot_be_changed(change):
    def turned(v):
        return ops.flip(v, axis=-1)

    layer = layers.LSTM(3, activation=turned, **change)
    text = f"equations are known, for {next(iter(change))}; received"
    with pytest.raises(LayerError, match=text):
        layer(X)
