"""accelerate() without a model: Keras's names are ours, until restore()."""

import keras
import pytest
from keras import layers

import refrain
from refrain.convert.names import KERAS, OURS
from tests.convert import architectures
from tests.convert.test_accelerate import names_of, ours_of, outputs

pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")


@pytest.fixture(autouse=True)
def _restored():
    yield
    refrain.restore()


def test_names_are_ours_until_restored():
    refrain.accelerate()
    refrain.accelerate()
    assert {name: getattr(layers, name) for name in OURS} == OURS
    assert isinstance(layers.Bidirectional(layers.LSTM(3)).forward_layer, OURS["LSTM"])
    refrain.restore()
    refrain.restore()
    assert {name: getattr(keras.layers, name) for name in KERAS} == KERAS
    assert type(layers.Bidirectional(layers.LSTM(3)).forward_layer) is KERAS["LSTM"]


def test_a_block_ends_as_it_began():
    with refrain.accelerate():
        assert layers.GRU is OURS["GRU"]
        with refrain.accelerate():
            assert layers.GRU is OURS["GRU"]
        assert layers.GRU is OURS["GRU"]
    assert layers.GRU is KERAS["GRU"]


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5:UserWarning")
def test_files_of_keras_are_loaded_as_ours(suffix, tmp_path):
    model, x = architectures.stacked_cells()
    file = tmp_path / f"model.{suffix}"
    model.save(file)
    with refrain.accelerate():
        fast = keras.models.load_model(file)
    assert names_of(fast) == names_of(model)
    assert len(ours_of(fast)) == len(ours_of(refrain.accelerate(model)))
    assert abs(outputs(fast, x)[0] - outputs(model, x)[0]).max() < 1e-5
    assert not ours_of(keras.models.load_model(file))


def test_conversion_does_not_depend_on_the_names():
    model, _ = architectures.stacked_cells()
    with refrain.accelerate():
        fast = refrain.accelerate(model)
        back = refrain.to_keras(fast)
        assert layers.LSTM is OURS["LSTM"]
    assert ours_of(fast)
    assert not ours_of(back)


def test_layers_of_both_kinds_live_together():
    theirs = layers.StackedRNNCells([layers.LSTMCell(3), layers.GRUCell(2)])
    with refrain.accelerate():
        layer = layers.RNN(theirs)
        assert "native kernels from the equations of lstm, gru" in layer.explain()
        assert layer(architectures.sequence()).shape == (6, 2)
