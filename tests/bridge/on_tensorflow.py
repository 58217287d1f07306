"""Kernels in TensorFlow's graphs, tapes, saved programs; `test_backends.py` runs it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from refrain import layers
from refrain.errors import KernelError

STEPS, FEATURES = 6, 3


@pytest.fixture
def layer():
    made = layers.LSTM(5, return_sequences=True)
    made.build((None, STEPS, FEATURES))
    return made


@pytest.fixture
def x(rng):
    return tf.constant(rng.normal(size=(4, STEPS, FEATURES)), tf.float32)


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def operations(function):
    """Kinds of operations in a traced function and in those that it calls."""
    graph = function.graph.as_graph_def()
    inner = [node for f in graph.library.function for node in f.node_def]
    return {node.op for node in [*graph.node, *inner]}


def slope(function, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(function(x) ** 2)
    return tape.gradient(total, x)


def test_sizes_may_be_unknown_until_a_program_runs(layer, x):
    known = {"output": [None, None, 5], "slope": [None, None, FEATURES]}
    seen = {}

    @tf.function(input_signature=[tf.TensorSpec((None, None, FEATURES))])
    def program(x):
        outputs, slopes = layer(x), slope(layer, x)
        seen.update(output=outputs.shape.as_list(), slope=slopes.shape.as_list())
        return outputs, slopes

    for batch in (x, x[:1], x[:, :2]):
        found, slopes = program(batch)
        close(found, layer(batch))
        close(slopes, slope(layer, batch))
    assert seen == known


def test_a_program_traced_without_a_tape_has_a_gradient(layer, x):
    program = tf.function(layer)
    program(x)
    close(slope(program, x), slope(layer, x))


def test_second_derivatives_are_refused(layer, x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        penalty = tf.reduce_sum(slope(layer, x) ** 2)
    with pytest.raises(KernelError, match="no derivative of its own"):
        tape.gradient(penalty, x)


def test_losses_in_fit_are_those_of_keras(rng):
    x = rng.normal(size=(16, STEPS, FEATURES)).astype("float32")
    x[:, 4:] = 0.0
    y = rng.normal(size=(16, 1)).astype("float32")
    weights, losses = None, []
    for namespace in (keras.layers, layers):
        inputs = keras.Input((None, FEATURES))
        masked = keras.layers.Masking()(inputs)
        model = keras.Model(inputs, keras.layers.Dense(1)(namespace.LSTM(4)(masked)))
        weights = model.get_weights() if weights is None else weights
        model.set_weights(weights)
        model.compile("sgd", "mse")
        history = model.fit(x, y, epochs=3, batch_size=5, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
        assert model.predict(x[:3], verbose=0).shape == (3, 1)
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def test_training_without_graphs_is_the_same(rng):
    x = rng.normal(size=(8, STEPS, FEATURES)).astype("float32")
    losses = []
    for eagerly in (True, False):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([layers.LSTM(4), keras.layers.Dense(1)])
        model.compile("sgd", "mse", run_eagerly=eagerly)
        losses.append(model.fit(x, x[:, 0, :1], epochs=2, verbose=0).history["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


@pytest.mark.parametrize("wish", ["require", "off"])
def test_models_are_not_compiled_by_xla(wish, rng, monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", wish)
    x = rng.normal(size=(8, STEPS, FEATURES)).astype("float32")
    model = keras.Sequential([layers.Bidirectional(layers.LSTM(4))])
    with pytest.warns(UserWarning, match="Model doesn't support `jit_compile=True`"):
        model.compile("sgd", "mse", jit_compile=True)
    assert np.isfinite(model.fit(x, np.ones((8, 8)), verbose=0).history["loss"]).all()


def test_inside_xla_the_scan_runs(layer, x):
    close(tf.function(layer, jit_compile=True)(x), layer(x))


def test_xla_differentiates_a_loop_that_is_written_out(x):
    layer = layers.LSTM(4, unroll=True)
    layer(x)

    def slopes():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, layer.trainable_weights)

    for found, expected in zip(
        tf.function(slopes, jit_compile=True)(), slopes(), strict=True
    ):
        close(found, expected)


def test_inside_xla_kernels_cannot_be_required(layer, x, monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "require")
    with pytest.raises(KernelError, match="but XLA compiles this program"):
        tf.function(layer, jit_compile=True)(x)


def test_saved_programs_run_without_refrain(tmp_path, x):
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), layers.GRU(4)])
    calls_numpy = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
    traced = tf.function(model).get_concrete_function(x)
    assert operations(traced) & calls_numpy
    model.export(str(tmp_path / "saved"), verbose=False)
    saved = tf.saved_model.load(str(tmp_path / "saved"))
    close(saved.serve(x), model(x))
    program = saved.signatures["serving_default"]
    assert not operations(program) & calls_numpy
