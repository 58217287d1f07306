"""A `.keras` file is the network that it was saved from, read without Keras."""

import dataclasses
import io
import json
import subprocess
import sys
import zipfile

import h5py
import keras
import numpy as np
import pytest

import refrain
from refrain import cells
from refrain.cells import SizedCell
from refrain.errors import ExportError, StreamError
from refrain.graph.show import show
from refrain.keras import layers as ours
from refrain.network.archive import network_in
from refrain.network.live import network_of
from tests.layers.samples import mgu
from tests.network.test_step import everything, randomised
from tests.randoms import sized_cell

L = keras.layers
# Keras's own, when it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


def flat(value, where="network"):
    """All numbers, names and arrays of a network, by where they stand."""
    if where.endswith(".config"):
        return {}  # what layers make of it is tested by their outputs
    if isinstance(value, SizedCell):
        return {where: show(value.graph), f"{where}.sizes": dict(value.sizes)}
    if dataclasses.is_dataclass(value):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    else:
        return {where: value if isinstance(value, np.ndarray) else repr(value)}
    parts = [flat(v, f"{where}.{k}") for k, v in items]
    return {k: v for part in parts for k, v in part.items()}


def assert_same(one, other):
    one, other = flat(one), flat(other)
    assert one.keys() == other.keys()
    for where, value in one.items():
        np.testing.assert_array_equal(value, other[where], err_msg=where)


def words():
    x = L.Input((None,), dtype="int32")
    words = L.Embedding(20, 5, mask_zero=True)(x)
    a = L.GRU(7, return_sequences=True, name="first", reset_after=False)(words)
    b = ours.RNN([mgu(6), cells.lstm(7)], return_sequences=True)(words)
    both = L.Add()([a, b])
    both = L.RNN([L.LSTMCell(3), L.LSTMCell(4), L.GRUCell(4)], True)(both)
    both = L.TimeDistributed(L.Dense(3))(L.BatchNormalization()(both))
    end = ours.Bidirectional(ours.LSTM(3), merge_mode="sum")(both)
    end = L.Concatenate()([end, L.Bidirectional(L.SimpleRNN(2))(both)])
    return keras.Model(x, L.Dense(3)(end))


def begun():
    x = L.Input((None, 5))
    *_, h, c = ours.LSTM(3, return_state=True)(x)
    return keras.Model(x, ours.LSTM(3)(x, initial_state=[h, c]))


def without_input():
    model = keras.Sequential([ours.GRU(3), L.Dense(2)])
    model.build((None, None, 4))
    return model


@pytest.mark.parametrize("make", [words, everything, begun, without_input])
def test_a_file_is_the_network_that_was_saved(make, rng, tmp_path):
    model = randomised(make(), rng)
    model.save(tmp_path / "m.keras")
    found, expected = network_in(tmp_path / "m.keras"), network_of(model)
    if make is without_input:  # its input has another name
        assert_same(found.calls[1], expected.calls[1])
    else:
        assert_same(found, expected)


@pytest.mark.parametrize("cell", cells.ALL, ids=str)
def test_every_cell_is_read(cell, rng, tmp_path):
    layer = ours.RNN(sized_cell(cell, 5), return_sequences=True)
    model = randomised(keras.Sequential([L.Input((None, 5)), layer]), rng)
    model.save(tmp_path / "m.keras")
    assert_same(network_in(tmp_path / "m.keras"), network_of(model))


OTHER_PROCESS = """
import sys
import numpy as np
import refrain.stream
stream = refrain.stream.load(sys.argv[1])
np.save(sys.argv[3], stream.run(np.load(sys.argv[2])))
assert not {"keras", "jax", "torch", "tensorflow"} & set(sys.modules)
"""


def test_another_process_needs_no_keras(rng, tmp_path):
    model = randomised(everything(), rng)
    x = rng.normal(size=(1, 9, 5)).astype("float32")
    files = [str(tmp_path / name) for name in ("m.keras", "x.npy", "y.npy")]
    model.save(files[0])
    np.save(files[1], x[0])
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, *files], check=True)
    expected = model.predict(x, verbose=0)[0]
    np.testing.assert_allclose(np.load(files[2])[-1], expected, atol=1e-6)


@keras.saving.register_keras_serializable("tests")
class Mine(L.Layer):
    def call(self, x):
        return 2 * x


def of(layer):
    return keras.Sequential([L.Input((None, 4)), layer])


REFUSED = {
    "own": (lambda: of(Mine()), "its class is not one of Keras or refrain"),
    "stateful": (
        lambda: keras.Sequential(
            [L.Input(batch_shape=(1, None, 4)), ours.GRU(3, stateful=True)]
        ),
        "it is stateful",
    ),
    "beyond": (lambda: of(ours.LSTM(3, zoneout=0.1)), "zoneout=0.1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_live_is_refused_in_a_file(name, tmp_path):
    make, message = REFUSED[name]
    model = make()
    model.save(tmp_path / "m.keras")
    for read, given in ((network_of, model), (network_in, tmp_path / "m.keras")):
        with pytest.raises(ExportError, match=message):
            read(given)


def saved(tmp_path):
    """Parts of the file of a small model."""
    file = tmp_path / "m.keras"
    made = [L.Input((None, 4)), ours.GRU(3), L.Dense(2)]
    keras.Sequential(made).save(file)
    with zipfile.ZipFile(file) as parts:
        return {name: parts.read(name) for name in parts.namelist()}


def write(file, parts):
    with zipfile.ZipFile(file, "w") as changed:
        for name, content in parts.items():
            changed.writestr(name, content)


def test_a_link_out_of_the_file_is_not_followed(tmp_path):
    parts = saved(tmp_path)
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["kernel"] = np.ones((3, 2), np.float32)
    for link in (
        h5py.ExternalLink(str(tmp_path / "other.h5"), "kernel"),
        h5py.SoftLink("/layers/gru/cell/vars/1"),
    ):
        held = io.BytesIO(parts["model.weights.h5"])
        with h5py.File(held, "a") as file:
            del file["layers/dense/vars/0"]
            file["layers/dense/vars/0"] = link
        write(tmp_path / "n.keras", {**parts, "model.weights.h5": held.getvalue()})
        with pytest.raises(StreamError, match="0 is missing, or lies outside of it"):
            refrain.stream.load(tmp_path / "n.keras")


def test_sizes_that_fit_nothing_are_refused(tmp_path):
    parts = saved(tmp_path)
    config = parts["config.json"].decode()
    huge = config.replace('"units": 3', '"units": 900000000')
    write(tmp_path / "n.keras", {**parts, "config.json": huge})
    with pytest.raises(StreamError, match=r"expected the shape \(4, 2700000000"):
        refrain.stream.load(tmp_path / "n.keras")
    wide = json.loads(config)
    wide["config"]["layers"][0]["config"]["batch_shape"] = [None, None, 1 << 40]
    wide["config"]["layers"] = wide["config"]["layers"][:1]
    write(tmp_path / "n.keras", {**parts, "config.json": json.dumps(wide)})
    with pytest.raises(StreamError, match="expected sizes from 1 to 1,048,576"):
        refrain.stream.load(tmp_path / "n.keras")


def test_a_damaged_file_is_refused(rng, tmp_path):
    parts = saved(tmp_path)
    file = tmp_path / "n.keras"
    refused = 0
    for _ in range(150):
        name = ("config.json", "model.weights.h5")[int(rng.integers(2))]
        content = bytearray(parts[name])
        # Most of an HDF5 file is empty; its structure lies at the beginning.
        content[rng.integers(min(len(content), 4000))] ^= 1 << rng.integers(8)
        write(file, {**parts, name: bytes(content)})
        try:
            network_in(file)  # a byte that nobody reads
        except ExportError:
            refused += 1
    assert refused > 15
    file.write_bytes(b"nothing")
    with pytest.raises(StreamError, match=r"expected a \.keras file"):
        refrain.stream.load(file)
    with pytest.raises(StreamError, match="No such file"):
        refrain.stream.load(tmp_path / "none.keras")
