"""`refrain stream`: an answer for every frame, states that stay, and clear mistakes."""

import io
import json
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

import refrain as package
from refrain.keras import layers

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


@pytest.fixture
def model(tmp_path, rng):
    made = keras.Sequential([keras.Input((None, 3)), layers.GRU(4)])
    for variable in made.weights:
        variable.assign(rng.uniform(-1, 1, variable.shape))
    package.stream.open(made).save(tmp_path / "net.step")
    return made


@pytest.fixture
def frames(tmp_path, rng):
    x = rng.normal(size=(9, 3)).round(3).astype("float32")
    text = "\n".join(",".join(map(str, row)) for row in x.tolist())
    (tmp_path / "frames.csv").write_text(text + "\n")
    return x


def test_every_frame_has_its_answer(refrain, model, frames, tmp_path):
    ended = refrain("stream", tmp_path / "net.step", tmp_path / "frames.csv")
    assert ended.code == 0, ended.err
    found = np.array(
        [[float(n) for n in line.split(",")] for line in ended.out.split()]
    )
    expected = package.stream.open(model).run(frames)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_keras_file_and_json_lines_from_standard_input(
    refrain, model, frames, tmp_path, monkeypatch
):
    model.save(tmp_path / "net.keras")
    text = "\n".join(json.dumps(row) for row in frames.tolist())
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    ended = refrain("stream", tmp_path / "net.keras", "--stats", "--period-ms", "1000")
    assert ended.code == 0, ended.err
    answers = [json.loads(line) for line in ended.out.splitlines()]
    expected = package.stream.open(model).run(frames)
    np.testing.assert_allclose(answers, expected, rtol=1e-5)
    assert "9 steps, p50" in ended.err
    assert "0 longer than 1000 ms" in ended.err


def test_states_stay_from_run_to_run(refrain, model, frames, tmp_path):
    step, file, state = (tmp_path / n for n in ("net.step", "frames.csv", "state"))
    refrain("stream", step, file, "--state", state)
    ended = refrain("stream", step, file, "--state", state)
    expected = package.stream.open(model).run(np.concatenate([frames, frames]))
    last = [float(n) for n in ended.out.split()[-1].split(",")]
    np.testing.assert_allclose(last, expected[-1], rtol=1e-5)


def test_ctrl_c_leaves_the_states(model, frames, tmp_path):
    state = tmp_path / "state"
    code = "from refrain.cli.main import run; run()"
    command = [sys.executable, "-c", code, "stream", str(tmp_path / "net.step")]
    running = subprocess.Popen(
        [*command, "--state", str(state), "--stats"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with running:
        for frame in frames:
            running.stdin.write(",".join(map(str, frame.tolist())) + "\n")
        running.stdin.flush()
        answers = [running.stdout.readline() for _ in frames]
        running.send_signal(signal.SIGINT)
        told = running.stderr.read()
    assert running.returncode == 130
    assert "9 steps, p50" in told
    assert "refrain: interrupted" in told
    stream = package.stream.open(model)
    expected = stream.run(frames)
    last = [float(number) for number in answers[-1].split(",")]
    np.testing.assert_allclose(last, expected[-1], rtol=1e-5)
    assert state.read_bytes() == stream.state()


@pytest.fixture
def tagger(tmp_path):
    inner = layers.Bidirectional(layers.GRU(4, return_sequences=True))
    made = keras.Sequential([keras.Input((None, 3)), inner])
    made.save(tmp_path / "tagger.keras")
    return made


def test_bidirectional_layers_answer_in_chunks(refrain, tagger, frames, tmp_path):
    command = ("stream", tmp_path / "tagger.keras", tmp_path / "frames.csv")
    ended = refrain(*command)
    assert ended.code == 2
    assert "reads the sequence from its end; see refrain.stream.open_chunks" in (
        ended.err
    )
    ended = refrain(*command, "--chunk", "4", "--lookahead", "2")
    assert ended.code == 0, ended.err
    chunks = package.stream.open_chunks(tagger, 4, 2)
    expected = np.concatenate([chunks.run(frames), chunks.flush()])
    found = [[float(n) for n in line.split(",")] for line in ended.out.split()]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_frames_of_a_chunk_wait_with_the_states(refrain, tagger, frames, tmp_path):
    command = ("stream", tmp_path / "tagger.keras", tmp_path / "frames.csv")
    options = ("--chunk", "4", "--lookahead", "2", "--state", tmp_path / "state")
    both = [refrain(*command, *options).out for _ in range(2)]
    chunks = package.stream.open_chunks(tagger, 4, 2)
    expected = chunks.run(np.concatenate([frames, frames]))
    found = [[float(n) for n in line.split(",")] for line in "".join(both).split()]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


MISTAKES = {
    "1,2": "line 1: expected a frame of shape (3,), received (2,)",
    "a,b,c": "line 1: expected numbers with commas, or a JSON list; received 'a,b,c'",
    "[1, 2": "line 1: expected numbers with commas, or a JSON list",
    '[1, 2, "x"]': "line 1: expected frames of 3 numbers",
    "\n1,2,3\n[1, 2, null]": "line 3: expected frames of 3 numbers, received [1, 2",
}


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("text", MISTAKES)
def test_a_wrong_frame_is_one_line(refrain, tmp_path, text):
    (tmp_path / "bad.csv").write_text(text)
    ended = refrain("stream", tmp_path / "net.step", tmp_path / "bad.csv")
    assert ended.code == 2
    assert MISTAKES[text] in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.usefixtures("model", "frames")
def test_a_damaged_state_is_one_line(refrain, tmp_path):
    step, file, state = (tmp_path / n for n in ("net.step", "frames.csv", "state"))
    state.write_bytes(b"refrain state 1")
    ended = refrain("stream", step, file, "--state", state)
    assert ended.code == 2
    assert f"{state}: expected what Stream.state returned" in ended.err
    assert ended.out == ""
    assert state.read_bytes() == b"refrain state 1"


@pytest.mark.usefixtures("model")
def test_missing_files_are_one_line(refrain, tmp_path):
    for arguments in (("none.step",), ("net.step", "none.csv"), ("none.keras",)):
        ended = refrain("stream", *(tmp_path / name for name in arguments))
        assert ended.code == 2
        assert "none" in ended.err
        assert ended.err.count("\n") == 1
