"""Words that go through an embedding are looked up, and nobody else notices."""

import keras
import numpy as np
import pytest
from keras import ops

from refrain import layers
from tests.bridge.library import bridge

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")
BACKEND = keras.backend.backend()
WORDS, FEATURES, UNITS, BATCH, STEPS = 12, 5, 6, 4, 9
KERAS_EMBEDDING = layers.Embedding.__mro__[1]

looks_up = pytest.mark.skipif(
    BACKEND == "tensorflow", reason="on TensorFlow products are computed"
)


@pytest.fixture
def words(rng):
    found = rng.integers(1, WORDS, (BATCH, STEPS))
    found[0, 5:] = found[1, :] = 0
    return found


def recurrent(kind="LSTM", **options):
    return getattr(layers, kind)(UNITS, return_sequences=True, **options)


def network(embedding, layer, rng, **options):
    """Words, their vectors, a recurrent layer; with random weights."""
    table = embedding(WORDS, FEATURES, **options)
    model = keras.Sequential([keras.Input((STEPS,), BATCH), table, layer])
    model.set_weights([rng.normal(size=w.shape, scale=0.5) for w in model.weights])
    return model


def trained(embedding, layer, words, **kwargs):
    """Outputs, and the weights after two updates."""
    model = network(embedding, layer, np.random.default_rng(3), **kwargs)
    before = ops.convert_to_numpy(model(words))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    wanted, options = np.ones_like(before), {"shuffle": False, "verbose": 0}
    model.fit(words, wanted, batch_size=BATCH, epochs=2, **options)
    return [before, *map(ops.convert_to_numpy, model.trainable_weights)]


LAYERS = {
    "lstm": lambda: recurrent(),
    "gru": lambda: recurrent("GRU"),
    "gru reset before": lambda: recurrent("GRU", reset_after=False),
    "simple_rnn without bias": lambda: recurrent("SimpleRNN", use_bias=False),
    "against time": lambda: recurrent(go_backwards=True),
    "last output": lambda: layers.GRU(UNITS),
    "both directions": lambda: layers.Bidirectional(recurrent()),
    "stack": lambda: layers.RNN([layers.LSTMCell(3), layers.GRUCell(4)]),
    "stateful": lambda: recurrent(stateful=True),
    "trained start": lambda: recurrent(trainable_initial_state=True),
}


def used(layer):
    """Among how many words a layer's last call has looked up."""
    return getattr(layer, "forward_layer", layer).looked_up


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_training_is_that_of_keras_embedding(name, mask, words):
    ours, keras_own = LAYERS[name](), LAYERS[name]()
    found = trained(layers.Embedding, ours, words, mask_zero=mask)
    expected = trained(KERAS_EMBEDDING, keras_own, words, mask_zero=mask)
    assert used(ours) == (None if BACKEND == "tensorflow" else WORDS)
    assert used(keras_own) is None
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


@looks_up
@pytest.mark.parametrize(
    ("layer", "steps", "reason"),
    [
        (recurrent(), 5, "fewer than two steps a word"),
        (recurrent(dropout=0.2), STEPS, "the input is dropped out"),
    ],
)
def test_products_are_computed_where_that_is_less_work(layer, steps, reason, rng):
    table = layers.Embedding(WORDS, FEATURES)
    model = keras.Sequential([table, layer])
    model(rng.integers(0, WORDS, (BATCH, STEPS)))
    assert used(layer) == WORDS
    model(rng.integers(0, WORDS, (BATCH, steps)), training=True)
    assert used(layer) is None, reason


@looks_up
def test_what_lies_between_is_not_passed_over(words):
    others = keras.layers
    between = others.Masking(), others.Dropout(0.5), others.Dense(3)
    for other in between:
        layer = recurrent()
        model = keras.Sequential([layers.Embedding(WORDS, FEATURES), other, layer])
        model(words, training=True)
        assert used(layer) is None, other.name


def test_explain_says_so(words, rng):
    layer = recurrent(name="reader")
    assert "looked up" not in layer.explain()
    network(layers.Embedding, layer, rng)(words)
    text = "; products of its input are looked up, one for each of 12 words"
    assert (text in layer.explain()) == (BACKEND != "tensorflow")
    plan = layer.explain(details=True)
    assert ("row x[0:1] +=" in plan) == (BACKEND != "tensorflow")


@looks_up
def test_words_that_there_are_not(words, rng):
    """As in Keras on JAX: those below zero count from the end, others are no number."""
    model = network(layers.Embedding, recurrent(), rng)
    sound = ops.convert_to_numpy(model(words))
    words[2, 3] -= WORDS
    np.testing.assert_array_equal(ops.convert_to_numpy(model(words)), sound)
    if BACKEND == "torch":
        words[2, 3] = WORDS
        with pytest.raises(IndexError):
            model(words)
        return
    words[2, 3] = WORDS
    found = ops.convert_to_numpy(model(words))
    assert np.isnan(found[2, 3:]).all()
    np.testing.assert_array_equal(found[2, :3], sound[2, :3])
    np.testing.assert_array_equal(found[[0, 1, 3]], sound[[0, 1, 3]])


class Open(keras.Model):
    """A model that gives away the vectors, and may change them first."""

    def __init__(self, change):
        super().__init__()
        self.table, self.layer = layers.Embedding(WORDS, FEATURES), recurrent()
        self.change = change

    def call(self, words):
        self.vectors = self.table(words)
        self.change(self.vectors)
        return self.layer(self.vectors)


def test_padding_that_is_no_number_leaves_no_trace(words):
    """The vector of a word that no step counts with: of gradients, too."""

    def after_training(padding):
        ours = recurrent()
        model = network(
            layers.Embedding, ours, np.random.default_rng(3), mask_zero=True
        )
        vectors, *weights = model.get_weights()
        vectors[0] = padding
        model.set_weights([vectors, *weights])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        wanted = np.ones((BATCH, STEPS, UNITS))
        model.fit(words, wanted, batch_size=BATCH, shuffle=False, verbose=0)
        vectors, *weights = model.get_weights()
        return [vectors[1:], *weights]

    found, expected = after_training(np.nan), after_training(0.3)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.skipif(BACKEND != "torch", reason="torch alone lets one do so")
def test_vectors_that_are_written_to_count(words):
    changed, plain = Open(lambda v: v.mul_(2.0)), Open(lambda v: None)
    plain(words)
    changed(words)
    changed.set_weights(plain.get_weights())
    plain.table.set_weights([2 * w for w in plain.table.get_weights()])
    a, b = (ops.convert_to_numpy(m(words)) for m in (changed, plain))
    assert (used(changed.layer), used(plain.layer)) == (None, WORDS)
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-7)


@pytest.mark.skipif(BACKEND != "torch", reason="torch alone lets one do so")
def test_vectors_whose_gradient_is_wanted_have_one(words):
    model = Open(lambda v: v.retain_grad())
    model(words).sum().backward()
    assert float(abs(model.vectors.grad).sum()) > 0
    vectors = model.table(words)  # called by itself: anybody may use it
    model.layer(vectors).sum().backward(inputs=[vectors])
    assert float(abs(vectors.grad).sum()) > 0


@pytest.mark.skipif(BACKEND != "torch", reason="torch alone lets one do so")
def test_a_model_that_gives_vectors_away_has_their_gradient(words, rng):
    model = network(layers.Embedding, recurrent(), rng)
    both = keras.Model(model.inputs[0], [model.layers[0].output, *model.outputs])
    vectors, outputs = both(words)
    vectors.retain_grad()
    outputs.sum().backward()
    assert float(abs(vectors.grad).sum()) > 0
    assert used(model.layers[1]) is None


def test_a_gradient_by_the_vectors_is_there_on_jax_as_well(words, rng):
    layer = recurrent()
    model = network(layers.Embedding, layer, rng)
    table = model.layers[0]
    if BACKEND != "jax":
        pytest.skip("bridge.gradient makes tensors of its own elsewhere")
    (found,) = bridge.gradient(lambda v: layer(v).sum(), [table(words)])
    assert float(abs(found).sum()) > 0


def test_it_can_be_quantised(words, rng):
    model = network(layers.Embedding, recurrent(), rng)
    before = ops.convert_to_numpy(model(words))
    model.layers[0].quantize("int8")
    assert model.layers[0].quantization_mode == "int8"
    found = ops.convert_to_numpy(model(words))
    assert used(model.layers[1]) is None
    assert 0 < np.abs(found - before).max() < 0.05


def test_a_file_brings_it_back(tmp_path, words, rng):
    model = network(layers.Embedding, recurrent(), rng)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    assert type(again.layers[0]) is layers.Embedding
    np.testing.assert_array_equal(again.predict(words), model.predict(words))
