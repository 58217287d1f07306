"""Saved models that somebody has changed: told by an error, and nothing is run.

What a record of a cell may hold is tested with records; here are whole files, with all
that Keras reads before it comes to us.
"""

import copy
import json
import zipfile

import keras
import numpy as np
import pytest
from keras import models

from refrain import layers
from refrain.errors import LayerError, RefrainError
from tests.layers.samples import mgu

# Keras's own way from a variable to NumPy, which saving goes.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")

COUNT, MARK = 60, "mark"
# Dtypes and initialisers are Keras's to read, as for its own layers.
NOT_OURS = {"dtype", "build_config", "module", "class_name", "registered_name"}


def deep(levels):
    found = []
    for _ in range(levels):
        found = [found]
    return found


def hostile(folder):
    """Values that no layer saves."""
    touch = f"touch {folder / MARK}"
    return [
        *(None, -1, 0, 1.5, 2**31, 2**63, 10**30, float("nan"), True, "", "x" * 9999),
        *(
            [],
            {},
            ["a"] * 1000,
            deep(200),
            touch,
            f"__import__('os').system('{touch}')",
        ),
        {"class_name": "__lambda__", "config": {"value": "AAAA"}},
        {"module": "os", "class_name": "system", "config": touch},
        {"module": "builtins", "class_name": "eval", "config": {"source": touch}},
        {"module": "keras.layers", "class_name": "Dense", "config": {"units": 3}},
    ]


def places(value, path=()):
    """Where something of ours may be changed in a configuration."""
    if isinstance(value, dict):
        items = [(k, v) for k, v in value.items() if k not in NOT_OURS]
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return
    for key, inner in items:
        if not str(key).endswith("initializer"):
            yield (*path, key)
            yield from places(inner, (*path, key))


def changed(config, place, value):
    new = copy.deepcopy(config)
    *way, last = place
    part = new
    for key in way:
        part = part[key]
    part[last] = value
    return new


def saved(folder, *stack):
    """A saved model, as the parts of its archive and its configuration."""
    models.Sequential([keras.Input((6, 3)), *stack]).save(folder / "model.keras")
    with zipfile.ZipFile(folder / "model.keras") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return parts, json.loads(parts["config.json"])


def load(folder, parts, config):
    with zipfile.ZipFile(folder / "changed.keras", "w") as archive:
        for name, part in parts.items():
            text = json.dumps(config) if name == "config.json" else part
            archive.writestr(name, text)
    return models.load_model(folder / "changed.keras")


def test_changed_files_are_loaded_or_refused(tmp_path):
    rng = np.random.default_rng(4)
    both = layers.Bidirectional(
        layers.LSTM(4, zoneout={"h": 0.1}, return_sequences=True)
    )
    stack = layers.RNN([mgu(3), layers.GRUCell(2)], trainable_initial_state=True)
    parts, config = saved(tmp_path, both, stack)
    ours = range(1, 3)
    where = [("config", "layers", k, "config") for k in ours]
    where = [
        (*begin, *rest)
        for begin in where
        for rest in places(config["config"]["layers"][begin[2]]["config"])
    ]
    values, refused = hostile(tmp_path), 0
    for _ in range(COUNT):
        place = where[rng.integers(len(where))]
        value = values[rng.integers(len(values))]
        try:
            load(tmp_path, parts, changed(config, place, value))
        except (RefrainError, ValueError):
            refused += 1
        except TypeError as fault:  # as Keras names what it cannot read
            if "could not be deserialized" not in str(fault):
                raise
            refused += 1
    assert refused > COUNT / 3
    assert not (tmp_path / MARK).exists()


@pytest.mark.parametrize(
    ("make", "place", "size"),
    [
        (lambda: layers.LSTM(3), (1, "config", "units"), 10**6),
        (lambda: layers.GRU(3), (1, "build_config", "input_shape", 2), 10**9),
        (lambda: layers.RNN(mgu(3)), (1, "build_config", "input_shape", 2), 10**9),
    ],
)
def test_huge_sizes_are_refused_before_memory_is_taken(make, place, size, tmp_path):
    parts, config = saved(tmp_path, make())
    config = changed(config, ("config", "layers", *place), size)
    if size == 10**9:
        shape = ("config", "layers", 0, "config", "batch_shape", 2)
        config = changed(config, shape, size)
    with pytest.raises(LayerError, match="numbers at most in a variable; received"):
        load(tmp_path, parts, config)
