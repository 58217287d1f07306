"""`refrain.keras` is Keras with our recurrent layers in place, and nothing else."""

import importlib
import subprocess
import sys
from types import ModuleType

import keras
import pytest

import refrain
from refrain import layers as ours
from refrain.keras import layers, models

MODULES = sorted(
    name
    for name, value in vars(keras).items()
    if isinstance(value, ModuleType) and not name.startswith("_")
)
OURS = {
    "GRU",
    "GRUCell",
    "LSTM",
    "LSTMCell",
    "RNN",
    "Bidirectional",
    "Embedding",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
}


def public(module):
    return {name for name in dir(module) if not name.startswith("_")}


@pytest.mark.parametrize("name", sorted(OURS))
def test_these_layers_are_ours(name):
    assert getattr(layers, name) is getattr(ours, name)
    assert issubclass(getattr(layers, name), getattr(keras.layers, name))


@pytest.mark.parametrize("name", sorted(public(keras.layers) - OURS))
def test_other_layers_are_those_of_keras(name):
    assert getattr(layers, name) is getattr(keras.layers, name)


def test_nothing_is_added_but_the_layer_of_a_cell():
    assert public(layers) - public(keras.layers) == {"CellLayer"}
    assert public(keras) <= public(refrain.keras)


@pytest.mark.parametrize("name", sorted(public(keras) - {"layers"}))
def test_everything_else_is_the_same_object(name):
    assert getattr(refrain.keras, name) is getattr(keras, name)


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_imported_by_their_name(name):
    module = importlib.import_module(f"refrain.keras.{name}")
    expected = layers if name == "layers" else getattr(keras, name)
    assert module is expected


def test_the_ways_to_import_agree():
    assert models is keras.models
    assert refrain.keras.Sequential is keras.Sequential
    assert refrain.keras.layers is layers
    assert refrain.keras.__version__ == keras.__version__


IMPORTS = {
    "import refrain.keras.losses": "refrain.keras.losses",
    "from refrain.keras.utils import to_categorical": "to_categorical",
    "from refrain.keras.layers import LSTM, Dense": "LSTM",
    "from refrain.keras import ops": "ops.tanh",
    "import refrain": "refrain.keras.layers.GRU",
    "import refrain.keras.layers as own": "own.GRU",
}


def test_each_way_to_import_works_first():
    code = "\n".join(
        f"for name in [m for m in sys.modules if m.startswith('refrain')]:\n"
        f"    del sys.modules[name]\n"
        f"{line}\n"
        f"{name}"
        for line, name in IMPORTS.items()
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
