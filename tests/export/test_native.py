"""Native code that left Python computes what Python computes."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from refrain import cells
from refrain.emit.llvm.storage import FLOAT32
from refrain.emit.llvm.targets import HOST, TARGETS
from refrain.errors import ExportError
from refrain.export.c_code import Form, interpreted, write_native
from tests.export.programs import built, c_program, js_program, printed, task_of
from tests.layers.samples import mgu, two_faced
from tests.randoms import random_weights, sized_cell

FEATURES, STEPS = 5, 9


def needs(program: str):
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"{program} is not installed"
    )


def exported(made, folder, rng, suffix=".o", **form):
    """A file of a cell's code, frames, and the outputs that they mean."""
    sized = sized_cell(made, 17)
    variables = random_weights(sized, FEATURES, rng)
    task = task_of(sized, FEATURES)
    path = folder / f"net{suffix}"
    files = write_native(task, variables, path, Form(**form), made.name).files
    x = rng.normal(size=(STEPS, FEATURES)).astype("float32")
    return files, x, interpreted(task, variables, x).ravel()


@needs("gcc")
@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("made", [*cells.ALL, mgu, two_faced], ids=str)
def test_c_computes_the_same(made, separate, tmp_path, rng):
    files, x, expected = exported(made, tmp_path, rng, separate=separate)
    (tmp_path / "main.c").write_text(c_program(x, files[2] if separate else None))
    strict = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    built(tmp_path, "gcc", *strict)
    found = printed(["./main"], tmp_path)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@needs("gcc")
@pytest.mark.parametrize("target", ["x86-64", "x86-64-v3"])
def test_c_computes_the_same_for_any_x86(target, tmp_path, rng):
    _, x, expected = exported(cells.lstm, tmp_path, rng, target=target)
    (tmp_path / "main.c").write_text(c_program(x))
    built(tmp_path)
    found = printed(["./main"], tmp_path)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@needs("gcc")
def test_the_comparison_catches_another_order_of_gates(tmp_path, rng):
    _, x, expected = exported(cells.gru, tmp_path, rng)
    (tmp_path / "main.c").write_text(c_program(x[:, ::-1]))
    built(tmp_path)
    assert np.abs(printed(["./main"], tmp_path) - expected).max() > 1e-3


@needs("node")
@needs("wasm-ld")
@pytest.mark.parametrize("made", [cells.lstm, cells.gru, mgu, two_faced], ids=str)
def test_webassembly_computes_the_same(made, tmp_path, rng):
    (_, header), x, expected = exported(made, tmp_path, rng, ".wasm", target="wasm32")
    (tmp_path / "main.js").write_text(js_program(x, header))
    found = printed(["node", "main.js"], tmp_path)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


# A cross compiler and an emulator for each processor that is not this one.
EMULATED = {
    "aarch64": ("aarch64-linux-gnu", "qemu-aarch64"),
    "riscv64": ("riscv64-linux-gnu", "qemu-riscv64"),
    "cortex-m4": ("arm-linux-gnueabihf", "qemu-arm"),
    "cortex-m7": ("arm-linux-gnueabihf", "qemu-arm"),
}


@pytest.mark.parametrize("made", [cells.lstm, mgu], ids=str)
@pytest.mark.parametrize("target", EMULATED)
def test_other_processors_compute_the_same(target, made, tmp_path, rng):
    tools, emulator = EMULATED[target]
    for program in (f"{tools}-gcc", emulator):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    _, x, expected = exported(made, tmp_path, rng, target=target)
    (tmp_path / "main.c").write_text(c_program(x))
    if target.startswith("cortex-m"):
        # Emulated under Linux, whose linker refuses code marked as for a chip.
        unmark = [f"{tools}-objcopy", "-R", ".ARM.attributes", "net.o"]
        subprocess.run(unmark, cwd=tmp_path, check=True)
    built(tmp_path, f"{tools}-gcc", "-static")
    found = printed([emulator, "main"], tmp_path)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@needs("gcc")
def test_shared_library_is_loaded(tmp_path, rng):
    (library, _), x, expected = exported(mgu, tmp_path, rng, ".so")
    net = ctypes.CDLL(str(library))
    stream, y = np.zeros(10_000, "float32"), np.zeros((STEPS, 17), "float32")
    pointer = ctypes.c_void_p
    net.net_init(pointer(stream.ctypes.data))
    net.net_run(
        *(pointer(a.ctypes.data) for a in (stream, x)),
        ctypes.c_size_t(STEPS),
        pointer(y.ctypes.data),
    )
    np.testing.assert_allclose(y.ravel(), expected, rtol=1e-5, atol=1e-5)


@needs("nm")
@pytest.mark.parametrize(
    ("made", "target"),
    [
        *((made, "cortex-m4") for made in (*cells.ALL, two_faced)),
        *((mgu, target) for target in TARGETS if target != "wasm32"),
    ],
    ids=str,
)
def test_code_calls_nothing(made, target, tmp_path, rng):
    (code, _), *_ = exported(made, tmp_path, rng, target=target)
    command = [shutil.which("nm"), "-u", str(code)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_weights_are_in_the_code_once(tmp_path, rng):
    sized = cells.lstm(64)
    files, *_ = exported(cells.lstm, tmp_path, rng)
    variables = random_weights(sized, 64, rng)
    task = task_of(sized, 64)
    path = tmp_path / "big.o"
    write_native(task, variables, path, Form(), "big")
    numbers = sum(v.size for v in variables.values())
    assert 4 * numbers < path.stat().st_size < 4 * numbers + files[0].stat().st_size


@pytest.mark.parametrize(
    ("file", "target", "weights", "message"),
    [
        ("net.o", "z80", FLOAT32, "unknown target 'z80'; expected one of host, x86-64"),
        ("net.exe", HOST, FLOAT32, r"expected a file named \*.o, \*.so or \*.wasm"),
        ("net.wasm", HOST, FLOAT32, "code for host is no WebAssembly; use wasm32"),
        ("net.so", "riscv32", FLOAT32, "linked for this machine alone"),
        ("my-net.o", HOST, FLOAT32, "'my-net' is no name in C"),
        ("net.o", HOST, "int4", "weights: expected float32, bfloat16, int8, received"),
    ],
)
def test_mistakes_are_told(file, target, weights, message, tmp_path, rng):
    sized = cells.simple_rnn(3)
    with pytest.raises(ExportError, match=message):
        write_native(
            task_of(sized, 2),
            random_weights(sized, 2, rng),
            tmp_path / file,
            Form(target, weights),
            "a test",
        )
    assert list(tmp_path.iterdir()) == []
