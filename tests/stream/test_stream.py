"""A stream computes what the whole sequence gives, and its states go anywhere."""

import subprocess
import sys
import tracemalloc
import zipfile
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import refrain
from refrain import cells
from refrain.bridge.numpy import recurrent
from refrain.errors import StreamError
from refrain.keras import layers as ours
from refrain.runtime.driver import Request
from refrain.stream.stream import Engine
from tests.randoms import sized_cell

L = keras.layers


def randomised(model, rng):
    for variable in model.weights:
        variable.assign(rng.uniform(-0.6, 0.6, variable.shape))
    return model


def chain(rng):
    made = [
        L.Input((None, 5)),
        ours.LSTM(9, return_sequences=True),
        L.TimeDistributed(L.Dense(7, activation="relu")),
        ours.GRU(6),
        L.Dense(3, activation="softmax"),
    ]
    return randomised(keras.Sequential(made), rng)


def words(rng):
    made = [L.Input((None,), dtype="int32"), L.Embedding(20, 4), ours.GRU(6)]
    return randomised(keras.Sequential([*made, L.Dense(1)]), rng)


def steps(stream, sequence):
    return np.stack([stream.step(frame).copy() for frame in sequence])


@pytest.mark.parametrize("cell", cells.ALL, ids=str)
def test_stream_equals_whole_sequence(cell, rng):
    layer = ours.RNN(sized_cell(cell, 9), return_sequences=True)
    model = randomised(keras.Sequential([L.Input((None, 9)), layer]), rng)
    x = rng.normal(size=(1, 17, 9)).astype("float32")
    stream = refrain.stream.open(model)
    found = stream.run(x[0])
    np.testing.assert_allclose(
        found, model.predict(x, verbose=0)[0], rtol=1e-5, atol=1e-5
    )
    stream.reset()
    assert np.array_equal(steps(stream, x[0]), found)


@pytest.mark.parametrize("cell", cells.ALL, ids=str)
def test_stream_equals_the_kernel_of_one_sequence_bit_for_bit(cell, rng):
    sized = sized_cell(cell, 19)
    layer = ours.RNN(sized, return_sequences=True)
    model = randomised(keras.Sequential([L.Input((None, 7)), layer]), rng)
    x = rng.normal(size=(1, 23, 7)).astype("float32")
    names = [v.name for v in sized.variables(7)]
    variables = {n: np.array(getattr(layer.cell, n).value, "float32") for n in names}
    states = [np.zeros((1, size), "float32") for size in sized.state_size]
    request = Request(sized, 7, rows=1)
    found = recurrent(request, {"x": x}, variables, states)
    assert np.array_equal(refrain.stream.open(model).run(x[0]), found[0][0])


def test_last_output_is_that_of_the_sequence_so_far(rng):
    model, x = chain(rng), rng.normal(size=(1, 12, 5)).astype("float32")
    found = steps(refrain.stream.open(model), x[0])
    for t in (1, 5, 12):
        expected = model.predict(x[:, :t], verbose=0)[0]
        np.testing.assert_allclose(found[t - 1], expected, atol=1e-6)


def test_words_enter_by_their_number(rng):
    model, x = words(rng), rng.integers(20, size=(1, 8))
    stream = refrain.stream.open(model)
    expected = model.predict(x, verbose=0)[0]
    np.testing.assert_allclose(steps(stream, x[0])[-1], expected, atol=1e-6)
    stream.reset()
    np.testing.assert_allclose(stream.run(x[0])[-1], expected, atol=1e-6)


OTHER_PROCESS = """
import sys
import zipfile
import numpy as np
import refrain
stream = refrain.stream.load(sys.argv[1])
stream.restore(open(sys.argv[2], "rb").read())
x = np.load(sys.argv[3])
np.save(sys.argv[4], stream.run(x))
assert not {"keras", "jax", "torch", "tensorflow"} & set(sys.modules)
"""


def test_another_process_without_keras_goes_on_exactly(rng, tmp_path):
    x = rng.normal(size=(30, 5)).astype("float32")
    stream = refrain.stream.open(chain(rng))
    stream.run(x[:11])
    files = [str(tmp_path / n) for n in ("net.step", "state", "x.npy", "y.npy")]
    stream.save(files[0])
    (tmp_path / "state").write_bytes(stream.state())
    np.save(files[2], x[11:])
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, *files], check=True)
    assert np.array_equal(np.load(files[3]), stream.run(x[11:]))


@pytest.mark.parametrize("count", [1, 3, 7])
def test_sessions_go_on_together_as_each_would_alone(count, rng):
    model = chain(rng)
    together, alone = refrain.stream.open(model, count), refrain.stream.open(model)
    x = rng.normal(size=(count, 13, 5)).astype("float32")
    found = together.run(x[:, :6])
    assert found.shape == (count, 6, 3)
    found = np.concatenate(
        [found, steps(together, x[:, 6:].swapaxes(0, 1)).swapaxes(0, 1)], 1
    )
    for k, sequence in enumerate(x):
        alone.reset()
        np.testing.assert_allclose(found[k], alone.run(sequence), atol=1e-6)


def test_one_session_begins_anew_and_the_others_do_not(rng):
    together = refrain.stream.open(chain(rng), sessions=3)
    x = rng.normal(size=(3, 20, 5)).astype("float32")
    together.run(x)
    other = together.fork()
    together.reset(1)
    went_on, found = other.run(x), together.run(x)
    other.reset()
    begun = other.run(x)
    assert np.array_equal(found[[0, 2]], went_on[[0, 2]])
    assert np.array_equal(found[1], begun[1])
    assert not np.allclose(found[1], went_on[1])
    with pytest.raises(StreamError, match="a session from 0 to 2, received 3"):
        together.reset(3)


def test_words_of_many_sessions(rng, tmp_path):
    model, x = words(rng), rng.integers(20, size=(4, 8))
    refrain.stream.open(model).save(tmp_path / "net.step")
    together = refrain.stream.load(tmp_path / "net.step", sessions=4)
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(steps(together, x.T)[-1], expected, atol=1e-6)
    with pytest.raises(StreamError, match="from 0 to 19, received 20"):
        together.step([1, 2, 20, 3])
    with pytest.raises(StreamError, match=r"a frame of shape \(4,\), received \(3,\)"):
        together.step([1, 2, 3])


@pytest.mark.parametrize("count", [0, -1, 2.0, True])
def test_a_wrong_number_of_sessions_is_refused(count, rng):
    with pytest.raises(StreamError, match="sessions: expected 1 or more"):
        refrain.stream.open(chain(rng), sessions=count)


def test_named_numbers_enter_by_their_names(rng):
    model = randomised(
        keras.Sequential([L.Input((None, 3)), ours.GRU(4), L.Dense(1)]), rng
    )
    named, plain = refrain.stream.open(model), refrain.stream.open(model)
    assert named.predict_one({"a": 1.0, "b": 2, "c": 3.0}) == plain.step([1, 2, 3])[0]
    assert named.predict_one({"c": 0.5, "a": 4.0, "b": 2}) == plain.step([4, 2, 0.5])[0]
    with pytest.raises(StreamError, match=r"expected the names \['a', 'b', 'c'\]"):
        named.predict_one({"a": 1.0, "b": 2.0})
    with pytest.raises(StreamError, match="expected one session"):
        refrain.stream.open(model, sessions=2).predict_one({"a": 1, "b": 2, "c": 3})


def test_threads_with_streams_of_their_own_disturb_nobody(rng):
    x = rng.normal(size=(8, 400, 5)).astype("float32")
    first = refrain.stream.open(chain(rng))
    alone = [first.fork().run(sequence) for sequence in x]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda s: steps(first.fork(), s), x))
    for one, other in zip(alone, found, strict=True):
        assert np.array_equal(one, other)


def test_a_step_keeps_no_memory(rng):
    stream, frame = refrain.stream.open(chain(rng)), rng.normal(size=5).astype("f4")
    stream.step(frame)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(1000):
            stream.step(frame)
        after, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 500  # numbers of Python's own
    assert most - before < 2000


def test_a_signal_that_decays_leaves_no_denormal_number(rng):
    model = keras.Sequential([L.Input((None, 2)), ours.LSTM(6, use_bias=False)])
    stream = refrain.stream.open(randomised(model, rng))
    stream.run(rng.normal(size=(20, 2)))
    stream.run(np.zeros((4000, 2)))
    left = np.abs(stream._memory)
    assert ((left == 0) | (left >= np.finfo("float32").tiny)).all()


def test_a_state_of_other_weights_or_a_damaged_one_is_refused(rng):
    stream, other = refrain.stream.open(chain(rng)), refrain.stream.open(chain(rng))
    state = stream.state()
    with pytest.raises(StreamError, match="another network or other weights"):
        other.restore(state)
    with pytest.raises(StreamError, match="of another number of sessions"):
        refrain.stream.Stream(Engine(stream._engine.stepper, 2)).restore(state)
    for damaged in (b"", state[:-1], state[:60] + b"?" + state[61:], b"x" + state):
        with pytest.raises(StreamError, match="damaged"):
            stream.restore(damaged)
    for other in (None, "state", 3):
        with pytest.raises(StreamError, match="expected the bytes that Stream"):
            stream.restore(other)
    stream.restore(memoryview(state))


def test_a_damaged_file_is_refused(rng, tmp_path):
    file = tmp_path / "net.step"
    refrain.stream.open(words(rng)).save(file)
    whole = file.read_bytes()
    loaded = refused = 0
    for k in range(200):
        content = bytearray(whole)
        if k % 4 == 0:
            del content[rng.integers(len(content)) :]
        else:
            content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        file.write_bytes(content)
        try:
            refrain.stream.load(file)
            loaded += 1  # a byte that nobody reads
        except StreamError:
            refused += 1
    assert refused > 150
    with pytest.raises(StreamError, match="No such file"):
        refrain.stream.load(tmp_path / "none")


def test_weights_that_do_not_fit_the_equations_are_refused(rng, tmp_path):
    file = tmp_path / "net.step"
    refrain.stream.open(words(rng)).save(file)
    with np.load(file) as found:
        arrays = dict(found)
    name = next(n for n in arrays if n.endswith("U.z"))
    for wrong in (arrays[name][:, :-1], arrays[name].astype("float64")):
        np.savez(tmp_path / "wrong.npz", **{**arrays, name: wrong})
        with pytest.raises(StreamError, match="expected float32 of shape"):
            refrain.stream.load(tmp_path / "wrong.npz")


@pytest.mark.parametrize("name", ["table", "about"])
def test_a_file_with_a_part_that_is_no_array_is_refused(name, rng, tmp_path):
    file = tmp_path / "net.step"
    refrain.stream.open(words(rng)).save(file)
    with zipfile.ZipFile(file) as found:
        parts = {member: found.read(member) for member in found.namelist()}
    assert f"{name}.npy" in parts
    for content in (b"no array", b""):
        with zipfile.ZipFile(file, "w") as changed:
            for member, held in parts.items():
                changed.writestr(member, content if name in member else held)
        with pytest.raises(StreamError, match=r"damaged one|expected float32"):
            refrain.stream.load(file)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ([1.0, 2.0], r"expected a frame of shape \(5,\), received \(2,\)"),
        (3.0, r"expected a frame of shape \(5,\), received \(\)"),
        ("abc", "expected frames of 5 numbers, received 'abc'"),
        ([1, 2, 3, 4, None], r"expected frames of 5 numbers, received \[1, 2, 3, 4, N"),
        (["1", "2", "3", "4", "5"], "expected frames of 5 numbers, received"),
        (np.array(["a"] * 5), "expected frames of 5 numbers, received"),
        ([1, 2, 3, [4], 5], "expected frames of 5 numbers, received"),
    ],
)
def test_a_wrong_frame_is_refused(frame, message, rng):
    stream = refrain.stream.open(chain(rng))
    before = stream.state()
    with pytest.raises(StreamError, match=message):
        stream.step(frame)
    assert stream.state() == before


@pytest.mark.parametrize("sequence", ["abc", [[1, 2, 3, 4, None]], [[1], [2, 3]]])
def test_a_sequence_of_no_numbers_is_refused(sequence, rng):
    with pytest.raises(StreamError, match="expected frames of 5 numbers, received"):
        refrain.stream.open(chain(rng)).run(sequence)


@pytest.mark.parametrize("word", [20, -1, 1.5, "a", None, 1 << 70])
def test_a_number_outside_the_vocabulary_is_refused(word, rng):
    with pytest.raises(StreamError, match="expected a whole number from 0 to 19"):
        refrain.stream.open(words(rng)).step(word)


def test_a_word_by_its_name_and_no_words_at_all(rng):
    stream = refrain.stream.open(words(rng))
    assert stream.run([]).shape == (0, 1)
    other = stream.fork()
    assert stream.predict_one({"word": 3}) == other.step(3)[0]
    with pytest.raises(StreamError, match=r"one whole number, received \(1,\)"):
        stream.step([3])
    with pytest.raises(StreamError, match="expected whole numbers, received"):
        stream.run([[1], [2, 3]])


def test_a_file_is_not_named_like_one_of_keras(rng, tmp_path):
    with pytest.raises(StreamError, match="what is saved is no file for Keras"):
        refrain.stream.open(chain(rng)).save(tmp_path / "net.keras")


def test_padding_is_no_word(rng, tmp_path):
    made = [L.Input((None,)), L.Embedding(20, 4, mask_zero=True), ours.GRU(6)]
    model = randomised(keras.Sequential(made), rng)
    refrain.stream.open(model).save(tmp_path / "net.step")
    stream = refrain.stream.load(tmp_path / "net.step")
    with pytest.raises(StreamError, match="from 1 to 19, received 0; 0 is padding"):
        stream.step(0)
    x = np.array([[3, 1, 7]])
    expected = model.predict(x, verbose=0)[0]
    np.testing.assert_allclose(stream.run(x[0])[-1], expected, atol=1e-6)


def test_a_network_that_reads_from_the_end_is_refused():
    model = keras.Sequential([L.Input((None, 3)), ours.Bidirectional(ours.LSTM(2))])
    with pytest.raises(StreamError, match="reads the sequence from its end"):
        refrain.stream.open(model)
