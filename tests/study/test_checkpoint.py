import signal
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from refrain.errors import RefrainError
from refrain.study.train import predict, train
from tests.study.resumed import BUDGET, arrays, build

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")


@pytest.fixture(scope="module")
def whole():
    """A training that nothing cut off."""
    return train(build, arrays(), BUDGET)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The checkpoint of two epochs."""
    path = tmp_path_factory.mktemp("training") / "kept.npz"
    train(build, arrays(), replace(BUDGET, epochs=2), checkpoint=path)
    return path


def test_a_killed_training_goes_on_bit_for_bit(tmp_path):
    def command(checkpoint, result):
        files = [str(tmp_path / checkpoint), str(result)]
        return [sys.executable, "-m", "tests.study.resumed", *files]

    whole, result = tmp_path / "whole.npz", tmp_path / "result.npz"
    subprocess.run(command("other.npz", whole), check=True)
    for moment in ("writing", "epoch"):
        killed = subprocess.run(
            [*command("kept.npz", result), moment], capture_output=True
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
        assert not result.exists()
    subprocess.run(command("kept.npz", result), check=True)
    with np.load(whole) as expected, np.load(result) as found:
        assert expected.files == found.files
        for name in expected.files:
            np.testing.assert_array_equal(found[name], expected[name])


def test_more_epochs_go_on_from_fewer(tmp_path, checkpoint, whole):
    path = tmp_path / "kept.npz"
    path.write_bytes(checkpoint.read_bytes())
    seen = []
    _, training = train(build, arrays(), BUDGET, seen.append, checkpoint=path)
    assert [progress.epoch for progress in seen[:3]] == [0, 2, 3]
    assert training.validation_loss == whole[1].validation_loss


def test_a_finished_training_is_read_and_not_run(checkpoint):
    before = checkpoint.read_bytes()
    model, training = train(
        build, arrays(), replace(BUDGET, epochs=2), checkpoint=checkpoint
    )
    assert checkpoint.read_bytes() == before
    data = arrays()
    wrong = np.abs(predict(model, data.validation_x) - data.validation_y).mean()
    assert wrong == pytest.approx(min(training.validation_loss), rel=1e-5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"budget": replace(BUDGET, seed=4)}, "its seed was 3, now it is 4"),
        ({"arrays": arrays(5)}, "its data was .{12}…, now it is"),
        ({"loss": "mse"}, "its loss was mae, now it is mse"),
    ],
    ids=["seed", "data", "loss"],
)
def test_the_checkpoint_of_another_training_is_refused(checkpoint, changed, message):
    given = {"budget": BUDGET, "arrays": arrays(), **changed}
    with pytest.raises(RefrainError, match=f"is the checkpoint of another.*{message}"):
        train(build, checkpoint=checkpoint, **given)


@pytest.mark.parametrize("kept", [0, 200, -300])
def test_a_damaged_checkpoint_is_refused(tmp_path, checkpoint, kept):
    path = tmp_path / "kept.npz"
    path.write_bytes(checkpoint.read_bytes()[:kept])
    with pytest.raises(RefrainError, match="received something else or a damaged one"):
        train(build, arrays(), BUDGET, checkpoint=path)


def test_a_checkpoint_holds_plain_arrays_alone(checkpoint):
    with zipfile.ZipFile(checkpoint) as file:
        names = set(file.namelist()) - {"about.json"}
    assert all(name.endswith(".npy") for name in names)
    with np.load(checkpoint, allow_pickle=False) as file:
        kinds = {file[name.removesuffix(".npy")].dtype.kind for name in names}
    assert kinds <= set("fiu")
