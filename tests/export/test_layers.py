"""Layers without a state mean in ONNX Runtime what they mean in Keras."""

import keras
import numpy as np
import pytest

from refrain.errors import ExportError
from refrain.export.layers import RULES, Value
from refrain.export.session import finish, run
from refrain.export.writer import Writer, value_info
from refrain.network.records import Layer

L = keras.layers


def built(layer, *shapes, rng):
    """A layer with distinct weights, none of them what Keras starts with."""
    layer.build(shapes[0] if len(shapes) == 1 else list(shapes))
    for variable in layer.weights:
        variable.assign(rng.uniform(0.3, 1.2, variable.shape))
    return layer


def written(layer, inputs, dtype=1):
    """The model of one layer."""
    w = Writer()
    arrays = [np.asarray(v) for v in layer.weights]
    spec = Layer(layer.name, type(layer).__name__, layer.get_config(), arrays)
    names = [f"x{k}" for k in range(len(inputs))]
    made = RULES[spec.kind](w, spec, [Value(n) for n in names])
    w.rename(made.name, "y")
    shapes = [["batch", *x.shape[1:]] for x in inputs]
    entering = [value_info(n, s, dtype) for n, s in zip(names, shapes, strict=True)]
    return finish(
        w,
        "layer",
        entering,
        [value_info("y", [None] * np.ndim(layer_output(layer, inputs)))],
    )


def layer_output(layer, inputs):
    given = inputs[0] if len(inputs) == 1 else inputs
    return keras.ops.convert_to_numpy(layer(given))


LAYERS = {
    "dense": L.Dense(5, activation="tanh"),
    "dense without bias": L.Dense(5, use_bias=False, activation="softmax"),
    "activation": L.Activation("gelu"),
    "relu": L.ReLU(max_value=0.8, negative_slope=0.1, threshold=0.2),
    "leaky relu": L.LeakyReLU(0.3),
    "elu": L.ELU(0.7),
    "softmax": L.Softmax(),
    "dropout": L.Dropout(0.5),
    "noise": L.GaussianNoise(0.5),
    "layer norm": L.LayerNormalization(epsilon=0.1),
    "layer norm without centre": L.LayerNormalization(center=False),
    "layer norm without scale": L.LayerNormalization(scale=False),
    "layer norm without weights": L.LayerNormalization(center=False, scale=False),
    "rms norm": L.RMSNormalization(epsilon=0.1),
    "batch norm": L.BatchNormalization(epsilon=0.1),
    "batch norm without scale": L.BatchNormalization(scale=False),
    "batch norm without centre": L.BatchNormalization(center=False),
    "normalization": L.Normalization(
        mean=[0.1, 0.2, 0.3, 0.4], variance=[2.0, 1.0, 3.0, 4.0]
    ),
    "rescaling": L.Rescaling(0.1, offset=2.0),
    "flatten": L.Flatten(),
    "reshape": L.Reshape((3, -1, 2)),
    "permute": L.Permute((2, 1)),
    "average of all": L.GlobalAveragePooling1D(),
    "average of all, kept": L.GlobalAveragePooling1D(keepdims=True),
    "largest of all": L.GlobalMaxPooling1D(),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer_means_the_same(name, rng):
    x = rng.normal(size=(3, 6, 4)).astype("float32")
    layer = built(LAYERS[name], x.shape, rng=rng)
    (found,) = run(written(layer, [x]), {"x0": x})
    expected = layer_output(layer, [x])
    np.testing.assert_allclose(found["y"], expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(
    "layer",
    [
        *(L.Add(), L.Subtract(), L.Multiply(), L.Maximum(), L.Minimum()),
        *(L.Average(), L.Concatenate(), L.Concatenate(axis=1)),
    ],
    ids=lambda layer: layer.name,
)
def test_merge_means_the_same(layer, rng):
    inputs = list(rng.normal(size=(2, 3, 6, 4)).astype("float32"))
    (found,) = run(written(layer, inputs), {"x0": inputs[0], "x1": inputs[1]})
    np.testing.assert_allclose(found["y"], layer_output(layer, inputs), rtol=1e-6)


def test_learnt_normalization_means_the_same(rng):
    x = rng.normal(2.0, 3.0, size=(30, 6, 4)).astype("float32")
    layer = L.Normalization()
    layer.adapt(x)
    (found,) = run(written(layer, [x]), {"x0": x})
    np.testing.assert_allclose(found["y"], layer_output(layer, [x]), atol=1e-5)


def test_repeated_vector_means_the_same(rng):
    x = rng.normal(size=(3, 4)).astype("float32")
    layer = L.RepeatVector(5)
    (found,) = run(written(layer, [x]), {"x0": x})
    np.testing.assert_array_equal(found["y"], layer_output(layer, [x]))


def test_embedding_means_the_same(rng):
    ids = rng.integers(0, 7, (3, 5)).astype("int32")
    layer = built(L.Embedding(7, 4), ids.shape, rng=rng)
    (found,) = run(written(layer, [ids], dtype=6), {"x0": ids})
    np.testing.assert_array_equal(found["y"], layer_output(layer, [ids]))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (
            L.Softmax(axis=1, name="s"),
            r"layer s \(Softmax\) cannot be exported: axis=1",
        ),
        (L.LayerNormalization(axis=1, name="n"), r"axis=\[1\], and not the last one"),
        (L.Normalization(invert=True, mean=1.0, variance=2.0), "invert=True"),
    ],
    ids=["softmax", "layer norm", "normalization"],
)
def test_settings_without_a_rule_are_refused(layer, message, rng):
    x = rng.normal(size=(3, 6, 4)).astype("float32")
    layer = built(layer, x.shape, rng=rng)
    with pytest.raises(ExportError, match=message):
        written(layer, [x])
