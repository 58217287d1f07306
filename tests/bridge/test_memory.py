"""Memory of results is used again when nobody can see it any more, and not before."""

import numpy as np
import torch

from refrain.bridge.memory import LARGE, LINE, empty

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
