"""Weights from and to torch.nn: layers, directions, bias, batch_first, projection."""

import itertools

import keras
import numpy as np
import pytest

import refrain
from refrain import layers
from refrain.errors import ConversionError
from tests.convert.architectures import real
from tests.layers.contract import array, random_weight

torch = pytest.importorskip("torch")

BATCH, STEPS, FEATURES, UNITS = 3, 5, 4, 6
MODULES = {
    "tanh": (torch.nn.RNN, {}),
    "relu": (torch.nn.RNN, {"nonlinearity": "relu"}),
    "lstm": (torch.nn.LSTM, {}),
    "projected": (torch.nn.LSTM, {"proj_size": 2}),
    "gru": (torch.nn.GRU, {}),
}
CASES = list(itertools.product(MODULES, (1, 2), (False, True), (False, True)))
# PyTorch's own, about its speed.
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")


def module_of(name, count, both, bias, batch_first):
    """A module in which every weight is another number."""
    kind, options = MODULES[name]
    module = kind(
        *(FEATURES, UNITS, count),
        bias=bias,
        bidirectional=both,
        batch_first=batch_first,
        **options,
    )
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(0.0, 0.4, generator=generator)
    return module


def computed(module, x):
    """The module's output for a batch of sequences, batch first."""
    x = torch.tensor(x)
    with torch.no_grad():
        found, _ = module(x if module.batch_first else x.swapaxes(0, 1))
    return (found if module.batch_first else found.swapaxes(0, 1)).numpy()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_weights_go_both_ways(case, monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "off")  # 80 shapes would be compiled
    module, other = module_of(*case, False), module_of(*case, True)
    x = real(BATCH, STEPS, FEATURES)
    model = refrain.from_torch(module)
    np.testing.assert_allclose(array(model(x)), computed(module, x), atol=1e-5)
    for ours, theirs in zip(
        model.weights, refrain.from_torch(other).weights, strict=True
    ):
        np.testing.assert_array_equal(array(ours.value), array(theirs.value))
    back = refrain.to_torch(model)
    assert type(back) is type(module)
    assert back.batch_first
    np.testing.assert_allclose(computed(back, x), computed(module, x), atol=1e-6)


def test_kernels_run_what_was_read(monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "require")
    x = real(BATCH, STEPS, FEATURES)
    for name in ("projected", "gru"):
        module = module_of(name, 1, True, True, False)
        found = refrain.from_torch(module)(x)
        np.testing.assert_allclose(array(found), computed(module, x), atol=1e-5)


def test_last_states_are_those_of_the_module():
    module = module_of("lstm", 1, False, True, True)
    x = real(BATCH, STEPS, FEATURES)
    (layer,) = refrain.from_torch(module).layers
    layer.return_state = True
    _, h, c = layer(x)
    with torch.no_grad():
        _, (h_n, c_n) = module(torch.tensor(x))
    np.testing.assert_allclose(array(h), h_n[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(array(c), c_n[0].numpy(), atol=1e-5)


def test_dropout_lies_between_layers():
    module = torch.nn.GRU(FEATURES, UNITS, 3, dropout=0.3)
    model = refrain.from_torch(module)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["GRU", "Dropout", "GRU", "Dropout", "GRU"]
    assert refrain.to_torch(model).dropout == 0.3


def test_layers_of_keras_go_to_torch_as_well():
    layer = keras.layers.LSTM(UNITS)
    layer.build((None, None, FEATURES))
    rng = np.random.default_rng(0)
    layer.set_weights([random_weight(rng, w.shape) for w in layer.weights])
    x = real(BATCH, STEPS, FEATURES)
    found = computed(refrain.to_torch(layer), x)[:, -1]
    np.testing.assert_allclose(found, array(layer(x)), atol=1e-5)


def test_other_modules_are_refused():
    for module in (torch.nn.LSTMCell(2, 3), torch.nn.Sequential(torch.nn.GRU(2, 3))):
        with pytest.raises(
            ConversionError, match=r"expected torch.nn.RNN, LSTM or GRU"
        ):
            refrain.from_torch(module)


REFUSED = {
    "computes {'activation': 'tanh'": layers.LSTM(3, activation="relu"),
    "'reset_after': True} and nothing else": layers.GRU(3, reset_after=False),
    "computes tanh or relu and nothing else": layers.SimpleRNN(3, activation="elu"),
    "a recurrent layer of one known cell": keras.layers.Dense(3),
    "expected merge_mode='concat'": layers.Bidirectional(layers.GRU(3), "sum"),
    "reads forwards": layers.GRU(3, go_backwards=True),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_torch_cannot_compute_is_refused(message):
    layer = REFUSED[message]
    layer.build((None, 4, 2))
    with pytest.raises(ConversionError, match=message):
        refrain.to_torch(layer)


def test_layers_of_other_sizes_are_refused():
    stack = [layers.GRU(3, return_sequences=True), layers.GRU(4)]
    model = keras.Sequential([keras.Input((None, 2)), *stack])
    with pytest.raises(ConversionError, match="expected layers of one kind and size"):
        refrain.to_torch(model)
    with pytest.raises(ConversionError, match="expected a Keras layer or model, rec"):
        refrain.to_torch(torch.nn.GRU(2, 3))
