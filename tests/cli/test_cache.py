import os
import sys

import pytest

from refrain.runtime import cache as kept


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache with two kernels."""
    place = tmp_path / "kept"
    monkeypatch.setenv("REFRAIN_CACHE", str(place))
    kept.store("one", b"x" * 300_000)
    kept.store("two", b"y" * 400_000)
    return place


def test_where_kernels_are_and_how_many_is_shown(refrain, folder):
    ended = refrain("cache")
    assert ended.code == 0
    assert str(folder) in ended.out
    assert "2 kernels, 0.7 MB" in ended.out


def test_clear_removes_kernels_and_nothing_else(refrain, folder):
    (folder / "notes.txt").touch()
    ended = refrain("cache", "--clear")
    assert ended.code == 0
    assert "removed: 2" in ended.out
    assert "0 kernels" in ended.out
    assert os.listdir(folder) == ["notes.txt"]
    assert "removed: 0" in refrain("cache", "--clear").out


def test_a_cache_that_is_off_is_said_to_be(refrain, monkeypatch):
    monkeypatch.setenv("REFRAIN_CACHE", "off")
    assert refrain("cache").out == "off: REFRAIN_CACHE=off\n"


@pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")
def test_a_folder_that_others_may_write_to_is_not_used(refrain, folder):
    folder.chmod(0o777)
    assert f"not used: others may write to {folder}" in refrain("cache").out


def test_what_cannot_be_removed_is_told_in_one_line(refused, folder):
    (folder / "three.kernel").mkdir()
    assert f"cannot clear {folder}: " in refused("cache", "--clear")
