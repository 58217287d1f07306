"""Compiled code is kept for other processes, and trusted only where it can be."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import refrain
from refrain import cells
from refrain.cells import cell, vector
from refrain.graph.functions import leaky_relu
from refrain.runtime import cache
from refrain.runtime.driver import Request, kernel_for

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes are those of POSIX")

KERNEL = """
import hashlib
import numpy as np
from refrain import cells
from refrain.bridge.numpy import call
from refrain.runtime.driver import Request, kernel_for
kernel = kernel_for(Request(cells.gru(5), 3))
given = {b.name: np.linspace(-1, 1, 90)[: b.width * 2].reshape(2, 1, -1)
         if b.kind == "sequence" else np.linspace(-1, 1, 180)[: b.width * 2]
         if b.kind == "sample" else np.linspace(-1, 1, b.width)
         for b in kernel.forward.program.inputs}
y = call(kernel.forward, given, 2, 1, np.dtype("float32"))["y"]
print(kernel.name, kernel.cached, hashlib.sha256(y.tobytes()).hexdigest())
"""


def environment(**variables) -> dict[str, str]:
    return {**os.environ, **{name: str(value) for name, value in variables.items()}}


def kernel_in_a_process(folder, **variables) -> tuple[str, bool, str]:
    """A kernel's name, whether it came from the cache, and a hash of its results."""
    done = subprocess.run(
        [sys.executable, "-c", KERNEL],
        env=environment(REFRAIN_CACHE=folder, **variables),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    name, cached, results = done.stdout.split()
    return name, cached == "True", results


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty cache of this process."""
    place = tmp_path / "kept"
    monkeypatch.setenv("REFRAIN_CACHE", str(place))
    return place


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A cache with one kernel that another process compiled, and its results."""
    place = tmp_path_factory.mktemp("cache") / "kept"
    name, cached, results = kernel_in_a_process(place)
    assert not cached
    return place, name, results


# -- the folder ------------------------------------------------------------------------


@posix
def test_folder_and_files_belong_to_their_user_alone(folder):
    cache.store("one", b"code")
    (file,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert cache.load("one") == b"code"


@posix
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_may_write_to_is_refused(mode, folder):
    cache.store("one", b"code")
    folder.chmod(mode)
    assert cache.load("one") is None
    cache.store("two", b"code")
    assert len(list(folder.iterdir())) == 1
    assert cache.status() == f"not used: others may write to {folder}"


@posix
def test_a_kernel_runs_without_a_folder_to_trust(compiled, tmp_path):
    open_to_all = tmp_path / "kept"
    shutil.copytree(compiled[0], open_to_all)
    open_to_all.chmod(0o777)
    assert kernel_in_a_process(open_to_all) == (compiled[1], False, compiled[2])


@posix
def test_a_folder_of_another_user_is_refused(folder):
    if os.getuid():
        pytest.skip("only root can give a folder away")
    cache.store("one", b"code")
    os.chown(folder, 12345, 12345)
    assert cache.load("one") is None
    assert cache.status() == f"not used: {folder} belongs to another user"


@posix
def test_a_folder_that_cannot_be_written_to_is_read(compiled, tmp_path, monkeypatch):
    read_only = tmp_path / "kept"
    shutil.copytree(compiled[0], read_only)
    read_only.chmod(0o500)
    if os.access(read_only, os.W_OK):
        pytest.skip("this user may write everywhere")
    monkeypatch.setenv("REFRAIN_CACHE", str(read_only))
    assert cache.status().endswith(": 1 kernels, 0.0 MB; it cannot be written to")
    assert kernel_in_a_process(read_only) == (compiled[1], True, compiled[2])
    for file in read_only.iterdir():
        file.chmod(0o000)
    assert kernel_in_a_process(read_only) == (compiled[1], False, compiled[2])


def test_a_place_that_is_no_folder_is_not_used(compiled, tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.touch()
    place = file / "kept"
    assert kernel_in_a_process(place) == (compiled[1], False, compiled[2])
    monkeypatch.setenv("REFRAIN_CACHE", str(place))
    assert cache.status().startswith(f"not used: {place}: ")


@pytest.mark.skipif(sys.platform != "linux", reason="a user whom no file names")
def test_a_user_without_a_home_has_no_cache(monkeypatch):
    for name in ("REFRAIN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "~")
    assert cache.status() == "not used: the home folder is not known"
    assert cache.load("one") is None
    cache.store("one", b"code")
    assert not Path("~").exists()


def test_without_a_cache_nothing_is_written(compiled, tmp_path, monkeypatch):
    home = {"HOME": tmp_path, "XDG_CACHE_HOME": tmp_path, "LOCALAPPDATA": tmp_path}
    assert kernel_in_a_process("off", **home) == (compiled[1], False, compiled[2])
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setenv("REFRAIN_CACHE", "off")
    assert cache.folder() is None
    assert cache.status() == "off: REFRAIN_CACHE=off"
    cache.store("one", b"code")
    assert cache.load("one") is None
    assert cache.entries() == []
    assert cache.clear() == 0


def test_cache_lies_in_the_users_cache_folder(tmp_path, monkeypatch):
    if sys.platform != "linux":
        pytest.skip("folders are those of Linux")
    monkeypatch.delenv("REFRAIN_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache.folder() == tmp_path / ".cache" / "refrain"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache.folder() == tmp_path / "other" / "refrain"


def test_clear_removes_kernels_and_what_was_never_finished(folder):
    for name in ("one", "two"):
        cache.store(name, b"code")
    (folder / "new-abc").touch()  # of a process that ended while it wrote
    (folder / "notes.txt").touch()
    assert cache.clear() == 2
    assert [file.name for file in folder.iterdir()] == ["notes.txt"]
    assert cache.load("one") is None


# -- what is kept ----------------------------------------------------------------------


def test_a_second_process_loads_what_the_first_compiled(compiled):
    place, name, results = compiled
    assert kernel_in_a_process(place) == (name, True, results)


def test_code_does_not_depend_on_the_process_that_compiles_it(compiled, tmp_path):
    place, name, results = compiled
    found = kernel_in_a_process(tmp_path / "kept", PYTHONHASHSEED="1")
    assert found == (name, False, results)
    (one,), (other,) = place.iterdir(), (tmp_path / "kept").iterdir()
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()


def _flip(content: bytes, index: int) -> bytes:
    changed = bytearray(content)
    changed[index] ^= 1
    return bytes(changed)


DAMAGE = {
    "empty": lambda content: b"",
    "truncated": lambda content: content[:-1],
    "a bit of the code": lambda content: _flip(content, len(content) // 2),
    "a bit of the digest": lambda content: _flip(content, 20),
    "another magic": lambda content: _flip(content, 0),
    "no head": lambda content: content[49:],
    "longer": lambda content: content + b"\0",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_compiled_anew(damage, compiled, tmp_path):
    source, name, results = compiled
    place = tmp_path / "kept"
    shutil.copytree(source, place)
    (file,) = place.iterdir()
    whole = file.read_bytes()
    file.write_bytes(DAMAGE[damage](whole))
    assert kernel_in_a_process(place) == (name, False, results)
    assert file.read_bytes() == whole


def test_code_under_another_name_is_not_loaded(folder):
    cache.store("one", b"code")
    (folder / "one.kernel").rename(folder / "two.kernel")
    assert cache.load("two") is None
    assert cache.load("one") is None


def test_processes_may_compile_one_kernel_at_once(compiled, tmp_path):
    place = tmp_path / "kept"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", KERNEL],
            env=environment(REFRAIN_CACHE=place),
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    found = [process.communicate()[0].split() for process in running]
    assert {(name, results) for name, _, results in found} == {compiled[1:]}
    assert [file.suffix for file in place.iterdir()] == [".kernel"]
    assert kernel_in_a_process(place)[1]


# -- the key ---------------------------------------------------------------------------

LSTM = {"sized": cells.lstm(5), "features": 3}


@pytest.mark.usefixtures("folder")
def test_every_choice_has_code_of_its_own():
    leaky = [lambda x, s=slope: leaky_relu(x, s) for slope in (0.2, 0.2 + 1e-16)]
    requests = [
        Request(**LSTM),
        Request(**LSTM, dtype="float64"),
        Request(**LSTM, training=True),
        Request(**LSTM, sequence=False),
        Request(**LSTM, against_time=True),
        Request(**LSTM, mask="hold"),
        Request(**LSTM, mask="zero"),
        Request(**LSTM, dropout=("dropout",)),
        Request(**LSTM, dropout=("recurrent_dropout",)),
        Request(cells.lstm(5), 4),
        Request(cells.lstm(6), 3),
        Request(cells.lstm(5, use_bias=False), 3),
        Request(cells.lstm(5, activation="relu"), 3),
        *(Request(cells.lstm(5, activation=a), 3) for a in leaky),
        Request(cells.gru(5), 3),
        Request(cells.gru(5, reset_after=False), 3),
    ]
    names = [kernel_for(request).name for request in requests]
    assert len(set(names)) == len(names)


@pytest.mark.usefixtures("folder")
def test_where_a_weight_lies_is_part_of_the_key():
    def fading(gates):
        @cell(state="h", p=vector(gates=gates))
        def fade(x, h_prev, W, p):
            return p.keep * h_prev + p.take * (x @ W)

        return fade(5)

    orders = (("keep", "take"), ("take", "keep"))
    names = {kernel_for(Request(fading(gates), 3)).name for gates in orders}
    assert len(names) == 2


@pytest.mark.parametrize("package", ["graph", "derive", "plan", "emit", "runtime"])
def test_another_version_of_the_package_compiles_anew(package, compiled, tmp_path):
    copy = tmp_path / "src" / "refrain"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(refrain.__file__).parent, copy, ignore=ignored)
    (copy / package / "__init__.py").write_text('"""Changed."""\n')
    name, *_ = kernel_in_a_process("off", PYTHONPATH=copy.parent)
    assert name != compiled[1]


@pytest.mark.parametrize("part", [0, 1])
def test_keys_tell_their_parts_apart(part):
    parts = ["plan", "target"]
    parts[part] += "!"
    assert cache.key(*parts) != cache.key("plan", "target")
    assert cache.key("ab", "c") != cache.key("a", "bc")
