"""Memory for the results of kernels, used again once nobody holds it.

Fresh memory costs a page fault a page: for the tape of a training step that is as much
time as a good part of its arithmetic. `empty` serves the bridges that make their arrays
here; `keep_freed_memory` is for a library that takes them from the C library.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import weakref
from collections import deque

import numpy as np

LINE = 64  # bytes of a cache line
LARGE = 1 << 20  # bytes from which memory is kept
KEPT = 8  # blocks

_free: deque[np.ndarray] = deque(maxlen=KEPT)  # the oldest leaves

_KEPT_BY_C = 512 << 20  # bytes
_CHOICES = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_")
_GLIBC = {-3: _KEPT_BY_C, -1: _KEPT_BY_C, -2: 64 << 20}  # mmap, trim, top pad
_HEAPS = -8


def keep_freed_memory() -> None:
    """Let the C library keep large blocks that are freed instead of giving them back.

    XLA frees the tape of every training step. For the whole process, on glibc, which
    returns every block above 32 MiB at once, and gives threads heaps that hold 64 MiB
    at most: threads that have none yet share the first. Whoever sets glibc's own
    variables, such as MALLOC_TRIM_THRESHOLD_, is left alone.
    """
    chosen = any(name in os.environ for name in (*_CHOICES, "GLIBC_TUNABLES"))
    if chosen or not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        for parameter, value in _GLIBC.items():
            library.mallopt(parameter, value)
        if "MALLOC_ARENA_MAX" not in os.environ:
            library.mallopt(_HEAPS, 1)


def empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of any content that starts at a cache line, as TensorFlow wants it.

    Its memory serves another array of the same size when it and all views of it are
    gone.
    """
    count = math.prod(shape)
    size = count * dtype.itemsize + LINE
    block = _taken(size)
    start = -block.ctypes.data % LINE
    # Views of an array that a memoryview bears keep it; of another, only its base.
    flat = np.frombuffer(block.data, dtype, count, start)
    if size >= LARGE:
        weakref.finalize(flat, _free.append, block).atexit = False
    return flat.reshape(shape)


def _taken(size: int) -> np.ndarray:
    for _ in range(len(_free)):
        try:
            block = _free.popleft()
        except IndexError:  # another thread took the last
            break
        if len(block) == size:
            return block
        _free.append(block)
    return np.empty(size, np.uint8)
