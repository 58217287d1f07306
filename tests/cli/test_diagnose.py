import json

import keras
import numpy as np
import pytest

from refrain import layers
from refrain.study.diagnosis import diagnose

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Models of frames and of words, and data for them."""
    keras.utils.set_random_seed(0)
    at = tmp_path_factory.mktemp("diagnose")
    frames = keras.Sequential(
        [keras.Input((None, 2)), layers.LSTM(3, name="memory"), keras.layers.Dense(1)]
    )
    frames.save(at / "frames.keras")
    words = keras.Sequential(
        [
            keras.Input((None,)),
            keras.layers.Embedding(9, 2),
            keras.layers.SimpleRNN(4, name="plain"),
        ]
    )
    words.save(at / "words.keras")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3, 12, 2)), rng.normal(size=(3, 1))
    np.save(at / "x.npy", x)
    np.savez(at / "both.npz", x=x, y=y)
    np.savez(at / "other.npz", z=x)
    np.save(at / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(at / "text.npy", np.array(["a"]))
    np.savetxt(at / "frames.csv", x[0], delimiter=",")
    np.savetxt(at / "words.csv", rng.integers(9, size=(2, 7)), "%d", delimiter=",")
    (at / "head.csv").write_text("a,b\n1,2\n")
    (at / "cut.npz").write_bytes((at / "both.npz").read_bytes()[:200])
    np.savez(at / "wrong.npz", x=x, y=np.ones((3, 5, 7)))
    return at


def test_what_the_command_tells_is_what_was_measured(refrain, folder):
    ended = refrain(
        *("diagnose", folder / "frames.keras", folder / "both.npz"),
        *("--loss", "mse", "--json"),
    )
    assert ended.code == 0, ended.err
    (found,) = json.loads(ended.out)["layers"]
    model = keras.saving.load_model(folder / "frames.keras")
    data = np.load(folder / "both.npz")
    (expected,) = diagnose(model, data["x"].astype("float32"), data["y"], "mse")
    assert found == json.loads(json.dumps(expected.record()))
    assert set(found["flow"]["loss"]) == {"h", "c"}


def test_tables_and_a_page_for_people(refrain, folder, tmp_path):
    page = tmp_path / "page.html"
    ended = refrain(
        *("diagnose", folder / "frames.keras", folder / "x.npy"),
        *("--report", page, "--sequences", 2),
    )
    assert ended.code == 0, ended.err
    assert ended.err == f"Written: {page}\n"
    head, row = (line.split() for line in ended.out.splitlines()[1:4:2])
    told = dict(zip(" ".join(head).replace("lag ", "lag").split(), row, strict=False))
    assert (told["layer"], told["cell"], told["steps"]) == ("memory", "lstm", "12")
    assert "c keeps f of itself" in ended.out
    text = page.read_text()
    assert "Diagnosis of frames.keras" in text
    assert text.count("<svg") == 2
    assert "refrain diagnose" in text
    assert "http" not in text.split("<body")[1].replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    ("model", "data", "steps"),
    [("frames", "frames.csv", 12), ("words", "words.csv", 7)],
)
def test_tables_of_text_are_frames_or_words(refrain, folder, model, data, steps):
    ended = refrain("diagnose", folder / f"{model}.keras", folder / data, "--json")
    assert ended.code == 0, ended.err
    (found,) = json.loads(ended.out)["layers"]
    assert found["flow"]["steps"] == steps
    assert found["flow"]["sequences"] == (1 if model == "frames" else 2)


@pytest.mark.parametrize(
    ("model", "data", "more", "expected"),
    [
        ("frames.keras", "none.npy", (), "cannot read"),
        ("frames.keras", "object.npy", (), "expected numbers in a .npy"),
        ("frames.keras", "text.npy", (), "expected numbers, found <U1"),
        ("frames.keras", "cut.npz", (), "expected numbers in a .npy"),
        ("frames.keras", "head.csv", (), "expected numbers in a .npy"),
        ("frames.keras", "other.npz", (), "expected an array named x, found z"),
        ("frames.keras", "x.npy", ("--loss", "mse"), "a loss needs targets"),
        ("frames.keras", "x.npy", ("--report", "page.pdf"), "ends in .html"),
        ("frames.keras", "both.npz", ("--loss", "nope"), "loss is not known"),
        ("frames.keras", "wrong.npz", ("--loss", "mse"), "cannot be computed"),
        ("words.keras", "x.npy", (), "received an array of 3 × 12 × 2"),
        ("words.keras", "frames.csv", (), "words as whole numbers"),
        ("x.npy", "x.npy", (), "not a model in Keras's format"),
    ],
)
def test_mistakes_are_told_in_a_line(refused, folder, model, data, more, expected):
    assert expected in refused("diagnose", folder / model, folder / data, *more)
