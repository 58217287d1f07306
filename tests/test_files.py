import errno
import os
import stat
import zipfile

import numpy as np
import pytest

from refrain.errors import RefrainError
from refrain.files import make_folder, read_arrays, write_arrays, write_file


def test_a_file_is_replaced_whole(tmp_path):
    file = tmp_path / "figures.json"
    file.write_text("old")
    write_file(file, lambda path: path.write_text("new"))
    assert file.read_text() == "new"
    assert os.listdir(tmp_path) == ["figures.json"]


def test_the_writer_gets_the_suffix_of_the_file(tmp_path):
    suffixes = []

    def write(path):
        suffixes.append((path.suffix, path.parent))
        path.touch()

    write_file(tmp_path / "picture.png", write)
    assert suffixes == [(".png", tmp_path)]


@pytest.mark.parametrize("fault", [ValueError("a fault"), KeyboardInterrupt()])
def test_a_writer_that_raises_leaves_what_was_there(tmp_path, fault):
    file = tmp_path / "figures.json"
    file.write_text("old")

    def write(path):
        path.write_text("hal")
        raise fault

    with pytest.raises(type(fault)):
        write_file(file, write)
    assert file.read_text() == "old"
    assert os.listdir(tmp_path) == ["figures.json"]


def test_a_full_disk_is_told_in_one_line(tmp_path):
    def write(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(RefrainError, match=r"cannot write .*a\.png: No space left"):
        write_file(tmp_path / "a.png", write)
    assert not os.listdir(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_results_have_the_mode_of_any_other_file(tmp_path):
    write_file(tmp_path / "result", lambda path: path.write_text("x"))
    (tmp_path / "other").write_text("x")
    modes = {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    assert len(modes) == 1


def test_a_folder_is_made_with_its_parents(tmp_path):
    folder = make_folder(tmp_path / "a" / "b")
    assert folder.is_dir()
    assert make_folder(folder) == folder
    assert not os.listdir(folder)


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(RefrainError, match=r"taken: it is a file; choose another one"):
        make_folder(tmp_path / "taken")
    with pytest.raises(RefrainError, match="Not a directory; choose another one"):
        make_folder(tmp_path / "taken" / "below")


def test_arrays_come_back_with_their_text(tmp_path, rng):
    file = tmp_path / "kept.npz"
    arrays = {"a b": rng.normal(size=(2, 3)), "c": np.array(4, "uint32")}
    write_arrays(file, {"größe": [1.5, None]}, arrays)
    about, found = read_arrays(file, 10_000)
    assert about == {"größe": [1.5, None]}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, strict=True)
    with pytest.raises(RefrainError, match=r"bytes; expected 100 at most"):
        read_arrays(file, 100)
    with pytest.raises(RefrainError, match=r"cannot read .*No such file"):
        read_arrays(tmp_path / "none.npz", 100)


def test_objects_are_not_loaded(tmp_path):
    file = tmp_path / "kept.npz"
    write_arrays(file, "about", {"plain": np.zeros(1)})
    with zipfile.ZipFile(file, "a") as archive, archive.open("odd.npy", "w") as odd:
        np.save(odd, np.array([{"an": "object"}], object), allow_pickle=True)
    with pytest.raises(RefrainError, match="received something else or a damaged one"):
        read_arrays(file, 10_000)
