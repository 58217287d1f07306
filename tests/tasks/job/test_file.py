import json
import zipfile

import keras
import numpy as np
import pytest

from refrain import cells, layers
from refrain.errors import RefrainError
from refrain.files import read_arrays, write_arrays
from refrain.tasks.job import registry
from refrain.tasks.job.file import LARGEST, kind_of, load, save

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


def network():
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(9, 3, mask_zero=True),
            layers.RNN(cells.mgu(4), return_sequences=True),
            layers.Bidirectional(layers.LSTM(2)),
            keras.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse")
    return model


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("job") / "model.refrain"
    model = network()
    state = {"words": ["größe", "a"], "scale": 0.1}
    save(path, "tester", {"units": 4}, state, model, {"table": np.arange(3)})
    return path, model


def test_a_job_comes_back(saved):
    path, model = saved
    found = load(path, "tester")
    assert (found.kind, found.options) == ("tester", {"units": 4})
    assert found.state == {"words": ["größe", "a"], "scale": 0.1}
    assert found.arrays["table"].tolist() == [0, 1, 2]
    assert found.versions["keras"] == keras.__version__
    words = np.array([[3, 8, 1, 0], [2, 0, 0, 0]])
    expected = model.predict_on_batch(words)
    np.testing.assert_array_equal(found.network.predict_on_batch(words), expected)


def test_a_job_of_another_kind_is_refused(saved):
    path, _ = saved
    with pytest.raises(RefrainError, match="expected a baker, received a tester"):
        load(path, "baker")
    with pytest.raises(RefrainError, match="a tester, which this version does not"):
        registry.load(path)


@pytest.mark.parametrize("kept", [0, 50, -100])
def test_a_damaged_file_is_refused(saved, tmp_path, kept):
    path = tmp_path / "model.refrain"
    path.write_bytes(saved[0].read_bytes()[:kept])
    with pytest.raises(RefrainError, match="received something else or a damaged one"):
        load(path, "tester")


CHANGES = {
    "no weight": lambda about, arrays: arrays.pop("weight 2"),
    "shape": lambda about, arrays: arrays.update({"weight 2": np.zeros((1, 1))}),
    "module": lambda about, arrays: about["network"]["config"]["layers"][1].update(
        module="os.path"
    ),
    "class": lambda about, arrays: about["network"].update(class_name="Nothing"),
    "function": lambda about, arrays: about["network"].update(
        module="keras.utils",
        class_name="function",
        config="get_file",
        registered_name="get_file",
    ),
    "no state": lambda about, arrays: about.pop("state"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_parts_that_do_not_fit_are_refused(saved, tmp_path, change):
    about, arrays = read_arrays(saved[0], LARGEST)
    CHANGES[change](about, arrays)
    path = tmp_path / "model.refrain"
    write_arrays(path, about, arrays)
    with pytest.raises(RefrainError, match="expected a model that `refrain train`"):
        load(path, "tester")


def test_the_kind_is_told_without_the_arrays(saved, monkeypatch):
    monkeypatch.setattr(np, "load", None)
    assert kind_of(saved[0]) == "tester"


def test_other_zips_and_later_formats_are_refused(tmp_path):
    path = tmp_path / "model.refrain"
    write_arrays(path, ["no", "job"], {})
    with pytest.raises(RefrainError, match="expected a model that `refrain train`"):
        kind_of(path)
    write_arrays(path, {"format": "refrain job 9", "kind": "x"}, {})
    with pytest.raises(RefrainError, match="expected refrain job 1, received 'refrain"):
        kind_of(path)


def test_the_file_can_be_read_by_others(saved):
    with zipfile.ZipFile(saved[0]) as archive:
        about = json.loads(archive.read("about.json"))
        names = set(archive.namelist())
    assert about["kind"] == "tester"
    assert {name.rpartition(".")[2] for name in names} == {"json", "npy"}
