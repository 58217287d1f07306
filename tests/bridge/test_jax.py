"""Kernels under JAX's transformations, and in programs for other devices."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from refrain import layers
from refrain.bridge import jax as bridge
from refrain.errors import KernelError

BATCH, STEPS, FEATURES = 4, 6, 3


@pytest.fixture(scope="module")
def layer():
    made = layers.LSTM(5, return_sequences=True)
    made.build((BATCH, STEPS, FEATURES))
    return made


@pytest.fixture
def weights(layer):
    return [v.value for v in layer.trainable_variables]


@pytest.fixture
def x(rng):
    return jnp.asarray(rng.normal(size=(BATCH, STEPS, FEATURES)), "float32")


@pytest.fixture
def mask():
    return jnp.arange(STEPS) < jnp.array([[6], [3], [1], [4]])


@pytest.fixture
def outputs(layer):
    """The layer as a function of its weights, of `x` and a mask."""
    frozen = [v.value for v in layer.non_trainable_variables]
    return lambda weights, x, mask=None: layer.stateless_call(
        weights, frozen, x, mask=mask
    )[0]


@pytest.fixture
def loss(outputs):
    return lambda *arguments: jnp.sum(outputs(*arguments) ** 2)


def close(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("platform", "kernel", "scan"),
    [("cpu", True, False), ("cuda", False, True), ("tpu", False, True)],
)
def test_one_program_runs_kernels_on_cpu_and_the_scan_elsewhere(
    platform, kernel, scan, loss, weights, x
):
    traced = jax.jit(jax.value_and_grad(loss)).trace(weights, x)
    text = traced.lower(lowering_platforms=(platform,)).as_text()
    assert ("refrain_" in text) == kernel
    assert ("stablehlo.while" in text) == scan


def test_kernels_serve_whichever_way_the_cpu_is_chosen():
    for device in ("cpu", jax.devices("cpu")[0]):
        with jax.default_device(device):
            assert bridge.serves("float32") is None


def test_a_program_for_two_platforms_holds_both(loss, weights, x):
    traced = jax.jit(jax.grad(loss)).trace(weights, x)
    text = traced.lower(lowering_platforms=("cpu", "cuda")).as_text()
    assert "refrain_" in text
    assert "stablehlo.while" in text


def test_a_mapped_axis_joins_the_batch(outputs, weights, x, mask):
    mapped = jax.vmap(outputs, (None, 0, 0))
    twice = jnp.stack([x, 2 * x])
    found = jax.jit(mapped)(weights, twice, jnp.stack([mask, ~mask]))
    close(found[0], outputs(weights, x, mask))
    close(found[1], outputs(weights, 2 * x, ~mask))
    text = jax.jit(mapped).lower(weights, twice, jnp.stack([mask, mask])).as_text()
    assert "while" not in text


def test_each_sample_has_its_own_gradient(loss, weights, x, mask):
    each = jax.jit(jax.vmap(jax.grad(loss), (None, 0, 0)))
    found = each(weights, x[:, None], mask[:, None])
    for k in range(BATCH):
        alone = jax.grad(loss)(weights, x[k : k + 1], mask[k : k + 1])
        close([g[k] for g in found], alone)
    whole = jax.grad(loss)(weights, x, mask)
    close([g.sum(0) for g in found], whole)


def test_weights_can_be_mapped(outputs, loss, weights, x):
    three = [jnp.stack([w, 2 * w, -w]) for w in weights]
    found = jax.vmap(outputs, (0, None))(three, x)
    grads = jax.jit(jax.vmap(jax.grad(loss), (0, None)))(three, x)
    for k, factor in enumerate((1, 2, -1)):
        alone = [factor * w for w in weights]
        close(found[k], outputs(alone, x))
        close([g[k] for g in grads], jax.grad(loss)(alone, x))


def test_maps_nest(loss, weights, x):
    three = [jnp.stack([w, 2 * w, -w]) for w in weights]
    each = jax.vmap(jax.vmap(jax.grad(loss), (None, 0)), (0, None))
    found = jax.jit(each)(three, x[:, None])
    close([g[1].sum(0) for g in found], jax.grad(loss)([2 * w for w in weights], x))


def test_rematerialised_gradients_are_the_same(loss, weights, x):
    close(jax.grad(jax.checkpoint(loss))(weights, x), jax.grad(loss)(weights, x))


def test_a_gradient_may_be_asked_for_again(outputs, weights, x, mask):
    """It is written over what the forward pass left, for XLA to copy where it must."""
    y, back = jax.vjp(lambda *arguments: outputs(*arguments, mask), weights, x)
    first, second, third = back(y), back(y), back(jnp.sin(y))
    assert all(map(jnp.array_equal, *map(jax.tree.leaves, (first, second))))
    close(third, jax.vjp(lambda *a: outputs(*a, mask), weights, x)[1](jnp.sin(y)))
    assert not any(map(jnp.array_equal, *map(jax.tree.leaves, (first, third))))


@pytest.mark.parametrize("compiled", [True, False])
def test_second_derivatives_are_refused(compiled, loss, weights, x):
    def penalty(x):
        return jnp.sum(jax.grad(loss, 1)(weights, x) ** 2)

    slope = jax.jit(jax.grad(penalty)) if compiled else jax.grad(penalty)
    text = "no derivative of its own.*\\n.*Hint: with REFRAIN_KERNELS=off"
    with pytest.raises(KernelError, match=text):
        slope(x)


def test_the_hint_for_second_derivatives_is_true(loss, weights, x, monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "off")

    def slope(x):
        return jax.grad(loss, 1)(weights, x)

    def penalty(x):
        return jnp.sum(slope(x) ** 2)

    second = jax.grad(penalty)(x)
    step = 1e-2 * jnp.sign(second)
    rise = penalty(x + step) - penalty(x - step)
    assert float(rise) == pytest.approx(float(2 * jnp.sum(second * step)), rel=0.05)


def test_forward_mode_is_refused(loss, weights, x):
    with pytest.raises(TypeError, match="forward-mode"):
        jax.jvp(lambda x: loss(weights, x), (x,), (x,))


def test_threads_share_one_compiled_program(outputs, weights, rng):
    program = jax.jit(outputs)
    batches = [rng.normal(size=(BATCH, 40, FEATURES)).astype("float32") for _ in "abcd"]
    expected = [np.asarray(program(weights, x)) for x in batches]
    wrong = []

    def work(k):
        for _ in range(25):
            if not np.array_equal(program(weights, batches[k]), expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k % 4,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(t.is_alive() for t in threads)
    assert not wrong


def test_threads_may_ask_for_a_new_kernel_at_once():
    x = np.ones((2, 3, 2), "float32")
    made = [layers.GRU(3, kernel_initializer="ones", seed=1) for _ in range(4)]
    for layer in made:
        layer.build(x.shape)
        layer.set_weights([np.full(w.shape, 0.1) for w in layer.weights])
    found = {}

    def work(k):
        found[k] = np.asarray(jax.jit(made[k])(x))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(found) == 4
    assert all(np.array_equal(f, found[0]) for f in found.values())
