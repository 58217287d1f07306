"""Memory for the results of kernels, used again once nobody holds it.

Fresh memory costs a page fault a page: for the tape of a training step that is as much
time as a good part of its arithmetic.
"""

from __future__ import annotations

import math
import weakref
from collections import deque

import numpy as np

LINE = 64  # bytes of a cache line
LARGE = 1 << 20  # bytes from which memory is kept
KEPT = 8  # blocks

_free: deque[np.ndarray] = deque(maxlen=KEPT)  # the oldest leaves


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
