"""Memory of results is used again when nobody can see it any more, and not before."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from refrain.runtime.memory import LARGE, LINE, empty

SHAPE, DTYPE = (LARGE // 4 + 3,), np.dtype("float32")


def test_memory_is_used_again():
    first = empty(SHAPE, DTYPE)
    address = first.ctypes.data
    del first
    assert empty(SHAPE, DTYPE).ctypes.data == address


def test_a_view_keeps_its_memory():
    whole = empty(SHAPE, DTYPE)
    view = whole[5:].reshape(2, -1)[1]
    view[...] = 1.0
    del whole
    empty(SHAPE, DTYPE)[...] = 2.0
    assert (view == 1.0).all()


def test_a_tensor_keeps_its_memory():
    tensor = torch.from_numpy(empty(SHAPE, DTYPE)).fill_(1.0)[7:]
    empty(SHAPE, DTYPE)[...] = 2.0
    assert (tensor == 1.0).all()


def test_memory_serves_no_array_of_another_size():
    first = empty((LARGE,), DTYPE)
    address = first.ctypes.data
    del first
    assert empty((LARGE + 1,), DTYPE).shape == (LARGE + 1,)
    assert empty((LARGE,), DTYPE).ctypes.data == address


def test_arrays_start_at_a_cache_line():
    for size in (1, 3, LARGE):
        for dtype in ("float32", "float64"):
            assert empty((size,), np.dtype(dtype)).ctypes.data % LINE == 0


LAYERS = "import refrain.keras"
KERNEL = """
import jax.numpy as jnp
from refrain import cells
from refrain.bridge.jax import recurrent
from refrain.runtime.driver import Request

sized = cells.simple_rnn(3)
arrays = {v.name: jnp.zeros(v.shape) for v in sized.variables(2)}
recurrent(Request(sized, 2), {"x": jnp.zeros((1, 2, 2))}, arrays, [jnp.zeros((1, 3))])
"""
TAKE = """
import ctypes, sys
from concurrent.futures import ThreadPoolExecutor

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def mapped():
    class Info(ctypes.Structure):
        names = ["arena", "o", "s", "h", "hblkhd", "us", "fs", "u", "f", "keepcost"]
        _fields_ = [(name, ctypes.c_size_t) for name in names]
    libc.mallinfo2.restype = Info
    return libc.mallinfo2().hblkhd
def take():
    before = mapped()
    libc.malloc(ctypes.c_size_t(100 << 20))
    return "mapped" if mapped() - before >= 100 << 20 else "kept"
print(take(), ThreadPoolExecutor().submit(take).result())
"""


@pytest.mark.parametrize(
    ("before", "chosen", "expected"),
    [
        (LAYERS, {}, "kept kept"),
        (LAYERS, {"MALLOC_ARENA_MAX": "8"}, "kept mapped"),
        (LAYERS, {"MALLOC_TRIM_THRESHOLD_": "131072"}, "mapped mapped"),
        (LAYERS, {"KERAS_BACKEND": "torch"}, "mapped mapped"),
        (KERNEL, {"MALLOC_ARENA_MAX": "8"}, "kept mapped"),
    ],
    ids=["by layers", "with more heaps", "by the user", "with torch", "by a kernel"],
)
def test_the_c_library_keeps_what_is_freed_unless_told_otherwise(
    before, chosen, expected
):
    libc = ctypes.CDLL(None)
    if not (hasattr(libc, "gnu_get_libc_version") and hasattr(libc, "mallinfo2")):
        pytest.skip("the C library is not a glibc that tells what it has mapped")
    own = {n: v for n, v in os.environ.items() if not n.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", before + TAKE],
        env=own | {"KERAS_BACKEND": "jax"} | chosen,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected
