import keras
import numpy as np
import pytest

from refrain.study.candidates import find_candidates
from refrain.tasks.text.network import Pooling, text_network
from refrain.tasks.text.options import TextOptions

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


@pytest.mark.parametrize("kind", ["mean", "max", "mean_max", "attention"])
def test_pooling_reads_the_steps_that_are_there(rng, kind):
    x = rng.normal(size=(4, 6, 3)).astype("float32")
    lengths = (6, 1, 4, 2)
    mask = np.arange(6) < np.array(lengths)[:, None]
    layer = Pooling(kind)
    found = np.asarray(layer(x, mask=mask))
    for row, length, result in zip(x, lengths, found, strict=True):
        there = row[:length]
        expected = {"mean": there.mean(axis=0), "max": there.max(axis=0)}
        expected["mean_max"] = np.concatenate([*expected.values()])
        if kind == "attention":
            weight = np.exp(there @ np.asarray(layer.score.value))
            expected[kind] = (there * weight / weight.sum()).sum(axis=0)
        np.testing.assert_allclose(result, expected[kind], rtol=1e-5, atol=1e-6)
    assert layer.compute_output_shape(x.shape) == found.shape
    whole = np.asarray(layer(x))
    np.testing.assert_allclose(whole, layer(x, mask=np.ones((4, 6), bool)), rtol=1e-6)


@pytest.mark.parametrize(
    ("pooling", "cell"),
    [("mean_max", "bilstm"), ("attention", "gru"), ("last", "gru"), ("last", "bilstm")],
)
def test_padding_changes_nothing(rng, pooling, cell):
    options = TextOptions(units=3, embedding=4, layers=2, pooling=pooling)
    network = text_network(options, find_candidates(cell)[0], 20, 3)
    words = rng.integers(1, 20, (2, 5))
    longer = np.pad(words, ((0, 0), (0, 4)))
    np.testing.assert_allclose(
        network.predict_on_batch(longer),
        network.predict_on_batch(words),
        rtol=1e-4,
        atol=1e-6,
    )


def test_vectors_are_what_the_embedding_begins_with(rng):
    vectors = rng.normal(size=(20, 5)).astype("float32")
    network = text_network(TextOptions(), find_candidates("rnn")[0], 20, 2, vectors)
    table = next(x for x in network.layers if isinstance(x, keras.layers.Embedding))
    np.testing.assert_array_equal(table.get_weights()[0], vectors)
