"""Bidirectional networks in chunks: what a window tells, and no more than it tells."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import refrain
from refrain.errors import StreamError
from refrain.keras import layers as ours
from tests.stream.test_stream import randomised

L = keras.layers
FEATURES = 3
# Keras's own, when it saves.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


def both(layer, **options):
    return ours.Bidirectional(layer, **options)


def tagger(rng, merge="concat"):
    made = [
        L.Input((None, FEATURES)),
        L.Dense(4, activation="tanh"),
        both(ours.LSTM(5, return_sequences=True), merge_mode=merge),
        L.TimeDistributed(L.Dense(2)),
    ]
    return randomised(keras.Sequential(made), rng)


def stacked(rng):
    made = [
        L.Input((None, FEATURES)),
        both(ours.GRU(5, return_sequences=True)),
        both(
            ours.LSTM(4, return_sequences=True),
            backward_layer=ours.GRU(4, return_sequences=True, go_backwards=True),
        ),
        ours.GRU(3, return_sequences=True),
    ]
    return randomised(keras.Sequential(made), rng)


def fed(chunks, x, *pieces):
    """Outputs of a sequence that comes in pieces of these lengths, in turn."""
    found, begin = [], 0
    while begin < x.shape[-2]:
        for piece in pieces:
            found.append(chunks.run(x[..., begin : begin + piece, :]))
            begin += piece
    return np.concatenate([*found, chunks.flush()], axis=-2)


def windowed(model, x, chunk, lookahead):
    """The same by Keras, whose backward direction is given one window at a time."""
    before, layer, after = model.layers
    seen = before(x[None])
    ahead = np.asarray(layer.forward_layer(seen))
    found = []
    for begin in range(0, len(x), chunk):
        window = seen[:, begin : begin + chunk + lookahead]
        back = np.asarray(layer.backward_layer(window))[:, ::-1]
        here = ahead[:, begin : begin + chunk]
        both = np.concatenate([here, back[:, : here.shape[1]]], axis=-1)
        found.append(np.asarray(after(both))[0])
    return np.concatenate(found)


@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave"])
def test_a_window_of_the_whole_sequence_is_the_network(merge, rng):
    model, x = tagger(rng, merge), rng.normal(size=(23, FEATURES)).astype("float32")
    expected = model.predict(x[None], verbose=0)[0]
    for chunk, lookahead in ((23, 0), (40, 3), (5, 23)):
        chunks = refrain.stream.open_chunks(model, chunk, lookahead)
        np.testing.assert_allclose(fed(chunks, x, 7), expected, atol=1e-6)


def test_layers_behind_each_other_in_one_window_are_the_network(rng):
    model, x = stacked(rng), rng.normal(size=(11, FEATURES)).astype("float32")
    chunks = refrain.stream.open_chunks(model, 11, 4)
    expected = model.predict(x[None], verbose=0)[0]
    np.testing.assert_allclose(fed(chunks, x, 2, 3), expected, atol=1e-6)


@pytest.mark.parametrize(("chunk", "lookahead"), [(1, 0), (1, 3), (4, 2), (6, 9)])
def test_the_backward_direction_begins_behind_the_look_ahead(chunk, lookahead, rng):
    model, x = tagger(rng), rng.normal(size=(25, FEATURES)).astype("float32")
    chunks = refrain.stream.open_chunks(model, chunk, lookahead)
    found = fed(chunks, x, 5)
    expected = windowed(model, x, chunk, lookahead)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    whole = model.predict(x[None], verbose=0)[0]
    assert np.abs(found - whole).max() > 1e-3
    starts = range(0, len(x), chunk)
    exact = next(s for s in starts if s + chunk + lookahead >= len(x))
    np.testing.assert_allclose(found[exact:], whole[exact:], atol=1e-6)


def test_pieces_do_not_matter(rng):
    model, x = stacked(rng), rng.normal(size=(31, FEATURES)).astype("float32")
    chunks = refrain.stream.open_chunks(model, 4, 3)
    expected = fed(chunks, x, 31)
    assert expected.shape == (31, 3)
    for pieces in ((1,), (0, 2, 9), (6,)):
        assert np.array_equal(fed(chunks, x, *pieces), expected)


def test_answers_come_with_the_last_frame_of_the_look_ahead(rng):
    chunks = refrain.stream.open_chunks(tagger(rng), chunk=4, lookahead=3)
    x = rng.normal(size=(15, FEATURES))
    ready = [len(chunks.run(x[t : t + 1])) for t in range(15)]
    assert ready == [4 if t in (6, 10, 14) else 0 for t in range(15)]
    assert len(chunks.flush()) == 3
    assert len(chunks.flush()) == 0


def test_sessions_are_what_each_would_be_alone(rng):
    model = stacked(rng)
    x = rng.normal(size=(3, 17, FEATURES)).astype("float32")
    together = fed(refrain.stream.open_chunks(model, 4, 2, sessions=3), x, 5)
    alone = refrain.stream.open_chunks(model, 4, 2)
    for k, sequence in enumerate(x):
        np.testing.assert_allclose(together[k], fed(alone, sequence, 5), atol=1e-6)


def test_words_and_what_sums_the_steps_up(rng):
    made = [
        L.Input((None,), dtype="int32"),
        L.Embedding(20, 4),
        both(ours.GRU(3, return_sequences=True)),
        L.GlobalMaxPooling1D(),
        L.Dense(2, activation="softmax"),
    ]
    model = randomised(keras.Sequential(made), rng)
    x = rng.integers(20, size=9)
    chunks = refrain.stream.open_chunks(model, chunk=9, lookahead=0)
    chunks.run(x[:4])
    found = chunks.run(x[4:])
    expected = model.predict(x[None], verbose=0)[0]
    np.testing.assert_allclose(found[-1], expected, atol=1e-6)
    with pytest.raises(StreamError, match="a whole number from 0 to 19, received 20"):
        chunks.run([20])


def test_a_fork_and_a_state_go_on_exactly(rng):
    model, x = stacked(rng), rng.normal(size=(31, FEATURES)).astype("float32")
    chunks, other = (refrain.stream.open_chunks(model, 4, 3) for _ in range(2))
    chunks.run(x[:13])
    fork, state = chunks.fork(), chunks.state()
    expected = fed(chunks, x[13:], 3)
    assert np.array_equal(fed(fork, x[13:], 18), expected)
    other.restore(state)
    assert np.array_equal(fed(other, x[13:], 18), expected)
    kept = other.state()
    for wrong in (state[:-1], b"", state[:90] + b"?" + state[91:]):
        with pytest.raises(StreamError, match="damaged"):
            other.restore(wrong)
    for another in (stacked(rng), tagger(rng)):
        with pytest.raises(StreamError, match="another network or other weights"):
            refrain.stream.open_chunks(another, 4, 3).restore(state)
    with pytest.raises(StreamError, match="another network or other weights"):
        refrain.stream.open_chunks(model, 4, 3, sessions=2).restore(state)
    assert other.state() == kept


OTHER_PROCESS = """
import sys
import numpy as np
import refrain
chunks = refrain.stream.open_chunks(sys.argv[1], 4, 3)
x = np.load(sys.argv[2])
np.save(sys.argv[3], np.concatenate([chunks.run(x), chunks.flush()]))
assert not {"keras", "jax", "torch", "tensorflow"} & set(sys.modules)
"""


def test_a_process_without_keras_opens_the_file(rng, tmp_path):
    model, x = stacked(rng), rng.normal(size=(14, FEATURES)).astype("float32")
    files = [str(tmp_path / name) for name in ("net.keras", "x.npy", "y.npy")]
    model.save(files[0])
    np.save(files[1], x)
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, *files], check=True)
    expected = fed(refrain.stream.open_chunks(model, 4, 3), x, 14)
    assert np.array_equal(np.load(files[2]), expected)


def around():
    x = L.Input((None, 4))
    turned = both(ours.GRU(2, return_sequences=True))(x)
    return keras.Model(x, L.Concatenate()([x, turned]))


def of(*made):
    return lambda: keras.Sequential([L.Input((None, FEATURES)), *made])


def apart():
    x = L.Input((None, FEATURES))
    one, other = both(ours.GRU(2, return_sequences=True), merge_mode=None)(x)
    return keras.Model(x, L.Add()([one, other]))


REFUSED = {
    "once": (of(both(ours.GRU(2))), "answers once, at the end of the sequence"),
    "none": (of(ours.GRU(2)), "expected a network with a Bidirectional layer"),
    "around": (around, "leads around a Bidirectional layer"),
    "apart": (apart, "its directions leave apart; expected a merge_mode"),
    "ahead": (
        of(L.Conv1D(2, 3, padding="same"), both(ours.GRU(2, return_sequences=True))),
        "padding='same' looks at steps to come",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_form_in_chunks_is_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(StreamError, match=message):
        refrain.stream.open_chunks(make(), 4, 2)


@pytest.mark.parametrize(
    ("chunk", "lookahead", "message"),
    [(0, 1, "chunk: expected 1 or more"), (4, -1, "lookahead: expected 0 or more")],
)
def test_wrong_counts_are_told(chunk, lookahead, message, rng):
    with pytest.raises(StreamError, match=message):
        refrain.stream.open_chunks(tagger(rng), chunk, lookahead)


def test_a_wrong_frame_changes_nothing(rng):
    chunks = refrain.stream.open_chunks(tagger(rng), 4, 2)
    chunks.run(rng.normal(size=(5, FEATURES)))
    before = chunks.state()
    with pytest.raises(StreamError, match=r"expected a sequence of shape \(timesteps"):
        chunks.run(rng.normal(size=(5, FEATURES + 1)))
    assert chunks.state() == before
