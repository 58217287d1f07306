"""A second thread for one stream: the same numbers, and no trace when it is gone."""

import gc
import os
import threading
import time

import keras
import numpy as np
import pytest

import refrain
from refrain import cells
from refrain.errors import StreamError
from refrain.keras import layers as ours
from tests.randoms import sized_cell
from tests.stream.test_stream import chain, randomised, steps, words

L = keras.layers
CELLS = (  # one and several products a step, reductions, sums of all sizes
    *(cells.lstm, cells.simple_rnn, cells.gru, cells.layer_norm_lstm, cells.rhn),
    *(cells.lstm_projection, cells.nas, cells.indrnn),
)


def assistants():
    return [t for t in threading.enumerate() if t.name == "refrain stream"]


def both(model, **options):
    return (refrain.stream.open(model, threads=n, **options) for n in (1, 2))


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_two_threads_compute_the_same_bits(cell, rng):
    layer = ours.RNN(sized_cell(cell, 83), return_sequences=True)
    made = [L.Input((None, 83)), layer, L.Dense(70, activation="tanh")]
    one, two = both(randomised(keras.Sequential(made), rng))
    x = rng.normal(size=(50, 83)).astype("float32")
    expected = one.run(x)
    for _ in range(3):
        two.reset()
        assert np.array_equal(two.run(x), expected)
    two.reset()
    assert np.array_equal(steps(two, x), expected)


@pytest.mark.parametrize("weights", ["bfloat16", "int8"])
@pytest.mark.parametrize("sessions", [None, 3])
def test_with_few_bits_and_many_sessions_too(weights, sessions, rng):
    model = randomised(
        keras.Sequential([L.Input((None, 9)), ours.LSTM(150), L.Dense(5)]), rng
    )
    one, two = both(model, sessions=sessions, weights=weights)
    x = rng.normal(size=(3, 40, 9)).astype("float32")
    x = x[0] if sessions is None else x
    assert np.array_equal(two.run(x), one.run(x))


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_what_the_assistant_takes_is_the_same(weights, rng):
    """Until it has done so much that it was in all products."""
    made = [L.Input((None, 9)), ours.GRU(600), L.Dense(300), L.LayerNormalization()]
    one, two = both(randomised(keras.Sequential(made), rng), weights=weights)
    assistant = two._go.func.__self__
    end = time.monotonic() + 60
    while assistant.done < 500 and time.monotonic() < end:
        frame = rng.normal(size=9).astype("float32")
        assert np.array_equal(two.step(frame), one.step(frame))
    assert assistant.done


def test_pauses_of_any_length_change_nothing(rng):
    one, two = both(chain(rng))
    x = rng.normal(size=(60, 5)).astype("float32")
    found = []
    for t, frame in enumerate(x):
        found.append(two.step(frame).copy())
        time.sleep((0, 0.0001, 0.0003, 0.002)[t % 4])
    assert np.array_equal(found, one.run(x))


def test_forks_and_words_have_assistants_of_their_own(rng):
    one, two = both(words(rng))
    x = rng.integers(20, size=30)
    two.run(x[:10])
    other = two.fork()
    expected = one.run(x)[10:]
    assert np.array_equal(two.run(x[10:]), expected)
    assert np.array_equal(other.run(x[10:]), expected)


def test_the_thread_sleeps_and_ends_with_its_stream(rng):
    gc.collect()
    before = set(assistants())
    stream = refrain.stream.open(chain(rng), threads=2)
    (thread,) = set(assistants()) - before
    stream.step(np.zeros(5))
    assistant, end = stream._go.func.__self__, time.monotonic() + 60
    while not assistant.sleeps and time.monotonic() < end:
        time.sleep(0.01)
    assert assistant.sleeps
    del stream, assistant
    gc.collect()
    thread.join(60)
    assert not thread.is_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning")
def test_a_child_of_a_fork_goes_on_alone(rng):
    one, two = both(chain(rng))
    x = rng.normal(size=(40, 5)).astype("float32")
    two.run(x[:20])
    expected = one.run(x)[20:]
    child = os.fork()
    if not child:
        os._exit(0 if np.array_equal(two.run(x[20:]), expected) else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert np.array_equal(two.run(x[20:]), expected)


@pytest.mark.parametrize("count", [0, 3, "two"])
def test_another_number_of_threads_is_refused(count, rng):
    with pytest.raises(StreamError, match="threads: expected 1 or 2, received"):
        refrain.stream.open(chain(rng), threads=count)
