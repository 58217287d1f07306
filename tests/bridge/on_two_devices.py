"""Kernels where a batch is sharded over two devices; `test_backends.py` runs this."""

import re

import jax
import jax.numpy as jnp
import keras
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from refrain import layers

BATCH, STEPS, FEATURES = 8, 6, 3
DEVICES = jax.make_mesh((2,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
SPLIT, WHOLE = (NamedSharding(DEVICES, PartitionSpec(axes)) for axes in ("batch", None))


@pytest.fixture
def loss():
    layer = layers.LSTM(5, return_sequences=True)
    layer.build((BATCH, STEPS, FEATURES))
    weights = [v.value for v in layer.trainable_variables]
    frozen = [v.value for v in layer.non_trainable_variables]

    def loss(weights, x, mask):
        outputs, _ = layer.stateless_call(weights, frozen, x, mask=mask)
        return jnp.sum(outputs**2)

    return loss, weights


@pytest.fixture
def batch(rng):
    x = rng.normal(size=(BATCH, STEPS, FEATURES)).astype("float32")
    return x, np.arange(STEPS) < rng.integers(1, STEPS, (BATCH, 1))


def close(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5)


def test_there_are_two_devices():
    assert jax.device_count() == 2


def test_a_sharded_batch_stays_sharded(loss, batch):
    loss, weights = loss
    slope = jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))
    split = jax.device_put(weights, WHOLE), *jax.device_put(batch, SPLIT)
    found = slope(*split)
    close(found, slope(weights, *batch))
    assert found[1][1].sharding.is_equivalent_to(SPLIT, 3)
    text = slope.lower(*split).compile().as_text()
    assert not re.search("all-gather|all-to-all|collective-permute", text)
    assert len(re.findall(r" all-reduce\(", text)) == 1  # loss and gradients of weights
    half = f"f32[{BATCH // 2},{STEPS},{FEATURES}]"
    assert all(half in line for line in text.splitlines() if "refrain_" in line)


def test_words_are_looked_up_on_each_device(rng):
    layer = layers.LSTM(5)
    model = keras.Sequential([layers.Embedding(9, FEATURES), layer])
    model.build((BATCH, STEPS))
    weights = [v.value for v in model.trainable_variables]
    frozen = [v.value for v in model.non_trainable_variables]

    def loss(weights, words):
        outputs, _ = model.stateless_call(weights, frozen, words)
        return jnp.sum(outputs**2)

    words = rng.integers(0, 9, (BATCH, STEPS))
    slope = jax.jit(jax.value_and_grad(loss))
    found = slope(jax.device_put(weights, WHOLE), jax.device_put(words, SPLIT))
    close(found, slope(weights, words))
    assert layer.looked_up == 9


def test_sharded_weights_are_gathered(loss, batch):
    loss, weights = loss
    columns = NamedSharding(DEVICES, PartitionSpec(None, "batch"))
    split = [jax.device_put(w, columns if w.ndim == 2 else WHOLE) for w in weights]
    slope = jax.jit(jax.value_and_grad(loss))
    close(slope(split, *batch), slope(weights, *batch))


def test_each_device_may_be_programmed_by_itself(loss, batch):
    loss, weights = loss
    parts = PartitionSpec("batch")

    def total(weights, x, mask):
        return jax.lax.psum(jax.grad(loss)(weights, x, mask), "batch")

    mapped = jax.shard_map(
        total,
        mesh=DEVICES,
        in_specs=(PartitionSpec(), parts, parts),
        out_specs=PartitionSpec(),
        check_vma=False,  # Keras's first states are made on no device in particular
    )
    close(jax.jit(mapped)(weights, *batch), jax.grad(loss)(weights, *batch))


def test_data_parallel_training_has_the_losses_of_one_device(rng):
    x = rng.normal(size=(32, STEPS, FEATURES)).astype("float32")
    x[:, 4:] = 0.0
    y = rng.normal(size=(32, 1)).astype("float32")

    def losses(distribution):
        keras.distribution.set_distribution(distribution)
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [
                keras.Input((STEPS, FEATURES)),
                keras.layers.Masking(),
                layers.Bidirectional(layers.LSTM(5)),
                keras.layers.Dense(1),
            ]
        )
        model.compile("adam", "mse")
        history = model.fit(x, y, epochs=3, batch_size=8, shuffle=False, verbose=0)
        return history.history["loss"]

    alone = losses(None)
    try:
        both = losses(keras.distribution.DataParallel(devices=jax.devices()))
    finally:
        keras.distribution.set_distribution(None)
    assert both == pytest.approx(alone, rel=1e-5)
    assert both[-1] < both[0]
