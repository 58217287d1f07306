"""The threads of OpenMP that a library keeps for its own operations.

After an operation they spin for some milliseconds, ready for the next one, and would
take a processor from threads of ours. So they do our work as well.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

# Runs a C function of one pointer on some threads at once: function, pointer, threads.
Team = Callable[[int, int, int], None]


def team(*folders: Path) -> Team | None:
    """The threads of the OpenMP library in one of the folders; None where none lies.

    Args:
        folders: of a library that is loaded. The file found in them is the one that
            it runs on: a process has each file once.
    """
    files = sorted(file for folder in folders for file in folder.glob("libgomp*.so*"))
    for file in files:
        parallel = getattr(ctypes.CDLL(str(file)), "GOMP_parallel", None)
        if parallel is not None:
            parallel.restype = None
            parallel.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_uint] * 2]
            return _owned_by(os.getpid(), parallel)
    return None


def _owned_by(process: int, parallel: Callable[..., None]) -> Team:
    def run(function: int, pointer: int, threads: int) -> None:
        # A fork has none of its parent's threads, and OpenMP would wait for them.
        alone = os.getpid() != process
        parallel(function, pointer, 1 if alone else threads, 0)

    return run
