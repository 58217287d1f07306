"""A user's mistake gets one clear error, before any work."""

import keras
import numpy as np
import pytest

from refrain import cells, layers
from refrain.errors import CellError, CellShapeError, KernelError
from tests.layers.samples import mgu

X = np.zeros((2, 3, 4), "float32")
STATE = np.zeros((2, 3), "float32")
KINDS = [layers.SimpleRNN, layers.LSTM, layers.GRU]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (object(), ValueError, "`cell` should have a `call` method"),
        (keras.layers.Dense(3), ValueError, "should have a `state_size` attribute"),
        (mgu, CellError, r"mgu: expected a number of units, e.g. mgu\(128\)"),
        ([mgu], CellError, r"mgu: expected a number of units"),
        ([], CellError, "expected at least one cell"),
        (layers.LSTM(3, name="inner"), CellError, "received the layer inner.*LSTMCell"),
    ],
    ids=str,
)
def test_no_cell(given, error, message):
    with pytest.raises(error, match=message):
        layers.RNN(given)


@pytest.mark.parametrize("given", [3, "lstm", layers.LSTMCell])
def test_a_cell_layer_wants_equations_with_their_units(given):
    with pytest.raises(CellError, match=r"expected a cell with its units, e\.g\. lstm"):
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
    with pytest.raises(ValueError, match="activation function identifier: tanhh"):
        make(3, activation="tanhh")


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
    with pytest.raises(CellError, match="mgu: the number of features is not known"):
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
    with pytest.raises(CellShapeError, match=expected):
        layers.LSTM(3, name="named")(X, initial_state=states)


def test_states_of_a_cell_that_do_not_fit():
    with pytest.raises(CellShapeError, match=r"expected states .* received \(2, 3\)"):
        layers.LSTMCell(3)(X[:, 0], [STATE])


@pytest.mark.parametrize("shape", [(2, 4), (3, 3), (2,), (2, 3, 1, 1)])
def test_mask_that_does_not_fit(shape):
    with pytest.raises(CellShapeError, match=r"expected a mask of shape \(2, 3\), rec"):
        layers.GRU(3)(X, mask=np.ones(shape, bool))


@pytest.mark.parametrize("rate", [-0.1, 1.0])
@pytest.mark.parametrize("name", ["dropout", "recurrent_dropout"])
def test_dropout_that_is_no_rate(name, rate):
    with pytest.raises(CellError, match=f"mgu: expected 0 <= {name} < 1, received"):
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
