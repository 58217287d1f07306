"""Native code reads and writes nothing outside its buffers: a page there is forbidden.

Every buffer ends, and in a second run begins, exactly at a page that no one may touch.
A wrong access ends the process, so each cell runs in a process of its own: this file,
run as a program.
"""

import ctypes
import mmap
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from refrain import cells
from refrain.cells import cell, scalar, vector
from refrain.functions import layer_norm, mean, sigmoid, softmax, tanh
from refrain.runtime.driver import Request, kernel_for
from refrain.runtime.report import programs_of
from refrain.runtime.threads import run_native

SHAPES = [(1, 1), (15, 3), (16, 17), (17, 1), (33, 3), (70, 17)]  # units, features
LENGTHS = [(1, 1), (1, 5), (5, 1), (7, 5), (5, 0)]  # batch, timesteps


@cell(state="h", gates=("z", "n"), s=vector(gates=("z", "n"), initializer="ones"))
def normalised(x, h_prev, W, U, b, s):
    """Reductions of what a step computes."""
    z = sigmoid(layer_norm(x @ W.z + h_prev @ U.z, s.z) + b.z)
    n = tanh(layer_norm(x @ W.n + h_prev @ U.n, s.n) + b.n)
    return (1 - z) * h_prev + z * n


@cell(state="s", output="y", a=scalar())
def reducing(x, s_prev, W, U, a):
    """Reductions of what comes from outside: the input, and the output's gradient."""
    s = softmax((x - mean(x)) @ W + s_prev @ U) + a * s_prev
    return s + mean(s), s


OPTIONS = {"training": True, "rows": 4}
BY_GATE = tuple(f"recurrent_dropout.{gate}" for gate in "fgio")
REQUESTS = {
    "lstm": Request(cells.lstm(1), 1, **OPTIONS),
    "gru": Request(cells.gru(1), 1, **OPTIONS),
    "gru-reset-before": Request(cells.gru(1, reset_after=False), 1, **OPTIONS),
    "normalised": Request(normalised(1), 1, **OPTIONS),
    "reducing": Request(reducing(1), 1, **OPTIONS),
    "mask-hold": Request(cells.lstm(1), 1, **OPTIONS, mask="hold"),
    "mask-zero-against-time": Request(
        cells.gru(1), 1, **OPTIONS, mask="zero", against_time=True
    ),
    "dropout": Request(cells.lstm(1), 1, **OPTIONS, dropout=("dropout", *BY_GATE)),
    "values-of-weights": Request(cells.rg_lru(1), 1, **OPTIONS),
    "lookup": Request(cells.lstm(1), 1, **OPTIONS, lookup=True),
    "last-output": Request(reducing(1), 1, **OPTIONS, sequence=False),
}


on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="protects memory as Linux does"
)


@on_linux
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", REQUESTS)
def test_no_program_touches_what_lies_beside_its_buffers(name, dtype):
    done = in_a_process(name, dtype)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"


@on_linux
@pytest.mark.parametrize("side", ["before", "behind"])
def test_a_touch_beside_a_buffer_ends_the_process(side):
    assert in_a_process("touch", side).returncode < 0


def in_a_process(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "tests.runtime.test_guard_pages", *arguments]
    root = Path(__file__).parents[2]
    return subprocess.run(program, cwd=root, capture_output=True, text=True)


# -- what runs in the other process ----------------------------------------------------


class Memory:
    """Arrays that end (or begin) at a page that no one may touch."""

    def __init__(self, at_end: bool):
        self.at_end = at_end
        self.kept: list[mmap.mmap] = []

    def array(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        count = int(np.prod(shape))
        size = count * np.dtype(dtype).itemsize
        inside = -(-max(size, 1) // mmap.PAGESIZE) * mmap.PAGESIZE
        area = mmap.mmap(-1, inside + 2 * mmap.PAGESIZE)
        self.kept.append(area)
        start = ctypes.addressof(ctypes.c_char.from_buffer(area))
        for guard in (0, mmap.PAGESIZE + inside):
            address = ctypes.c_void_p(start + guard)
            assert ctypes.CDLL(None).mprotect(address, mmap.PAGESIZE, 0) == 0
        offset = mmap.PAGESIZE + (inside - size if self.at_end else 0)
        return np.frombuffer(area, dtype, count, offset).reshape(shape)


def run(request: Request, batch: int, timesteps: int, at_end: bool):
    """All results of a kernel whose buffers lie between forbidden pages."""
    kernel, memory = kernel_for(request), Memory(at_end)
    rng = np.random.default_rng(batch)
    known: dict[str, np.ndarray] = {}
    for _, native in programs_of(kernel):
        arrays = []
        for buffer in native.program.buffers:
            if buffer.name not in known:
                shape = buffer.shape(batch, timesteps)
                array = memory.array(shape, request.dtype)
                if buffer in native.program.inputs:
                    array[...] = numbers(buffer.name, shape, rng)
                    if request.lookup and buffer.name == "x":
                        array[...] = rng.integers(0, request.features, shape)
                known[buffer.name] = array
            arrays.append(known[buffer.name])
        addresses = [array.ctypes.data for array in arrays]
        run_native(native, addresses, batch, timesteps)
        for own in ("packed", "fixed", "scratch", "carry"):
            known.pop(own, None)
    padded = ("tape", "streams", "totals")
    return {name: a.copy() for name, a in known.items() if name not in padded}


def numbers(name: str, shape: tuple[int, ...], rng) -> np.ndarray:
    if name == "mask" or "dropout" in name:
        return rng.random(shape) > 0.3
    return rng.normal(size=shape, scale=0.5)


def main(name: str, dtype: str) -> None:
    if name == "touch":
        array = Memory(at_end=dtype == "behind").array((5,), "float32")
        address = array.ctypes.data + (array.nbytes if dtype == "behind" else -1)
        ctypes.c_char.from_address(address).value  # noqa: B018
        return
    for units, features in SHAPES:
        request = REQUESTS[name]
        sized = replace(request.sized, sizes={"units": units})
        request = replace(request, sized=sized, features=features, dtype=dtype)
        for batch, timesteps in LENGTHS:
            shape = f"{units} units, {features} features, {batch} x {timesteps}"
            print(f"{shape}, buffers end at a page", flush=True)
            at_end = run(request, batch, timesteps, at_end=True)
            print(f"{shape}, buffers begin at a page", flush=True)
            at_start = run(request, batch, timesteps, at_end=False)
            for buffer, array in at_end.items():
                assert np.isfinite(array).all(), f"{shape}: {buffer}"
                assert np.array_equal(array, at_start[buffer]), f"{shape}: {buffer}"


if __name__ == "__main__":
    main(*sys.argv[1:])
