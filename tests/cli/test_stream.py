"""`refrain stream`: an answer for every frame, states that stay, and clear mistakes."""

import io
import json

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


MISTAKES = {
    "1,2": "expected a frame of shape (3,), received (2,)",
    "a,b,c": "line 1: expected numbers with commas, or a JSON list; received 'a,b,c'",
    "[1, 2": "line 1: expected numbers with commas, or a JSON list",
    '[1, 2, "x"]': "expected 3 numbers",
}


@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("text", MISTAKES)
def test_a_wrong_frame_is_one_line(refrain, tmp_path, text):
    (tmp_path / "bad.csv").write_text(text)
    ended = refrain("stream", tmp_path / "net.step", tmp_path / "bad.csv")
    assert ended.code == 2
    assert MISTAKES[text] in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.usefixtures("model")
def test_missing_files_are_one_line(refrain, tmp_path):
    for arguments in (("none.step",), ("net.step", "none.csv"), ("none.keras",)):
        ended = refrain("stream", *(tmp_path / name for name in arguments))
        assert ended.code == 2
        assert "none" in ended.err
        assert ended.err.count("\n") == 1
