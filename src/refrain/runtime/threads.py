"""Runs a compiled program on a caller's threads, or on Python's where it brings none.

Native code holds no lock of Python's, so ranges of samples run side by side. The pool
is made anew after a fork, whose child has none of its parent's threads.
"""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache

from refrain.emit.llvm.job import GRAIN, job_words
from refrain.runtime.driver import Native
from refrain.runtime.openmp import Team
from refrain.runtime.processors import chosen_threads, threads

_ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int64] * 4)
_WORKER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def run_native(
    native: Native,
    addresses: list[int],
    batch: int,
    timesteps: int,
    team: Team | None = None,
) -> None:
    """Run a program on buffers.

    Args:
        native: the program.
        addresses: of its buffers, inputs then outputs; checked by the caller.
        batch: number of samples.
        timesteps: number of steps.
        team: threads that wait for work; None for Python's.
    """
    pointers = (ctypes.c_void_p * len(addresses))(*addresses)
    base = ctypes.addressof(pointers)
    work = batch if native.tasks is None else native.tasks
    if native.prepare is not None:
        _ENTRY(native.prepare)(base, batch, timesteps, 0, work)
    count = min(threads_for(native, batch, timesteps), max(1, work))
    if count == 1:
        _ENTRY(native.run)(base, batch, timesteps, 0, work)
        return
    ranges = count if native.tasks is None else work
    words = job_words(addresses, ranges, work, batch, timesteps)
    job = (ctypes.c_int64 * len(words))(*words)
    (team or _pool(os.getpid(), count))(native.worker, ctypes.addressof(job), count)


def threads_for(native: Native, batch: int, timesteps: int) -> int:
    """How many threads a program's work is worth, unless the user has said how many."""
    grains = batch * timesteps * native.program.work // GRAIN
    return chosen_threads() or max(1, min(grains, threads()))


@cache
def _pool(_process: int, count: int) -> Team:
    """Threads of Python's that do the work of OpenMP's."""
    pool = ThreadPoolExecutor(count - 1, "refrain")

    def run(function: int, pointer: int, threads: int) -> None:
        worker = _WORKER(function)
        waiting = [pool.submit(worker, pointer) for _ in range(threads - 1)]
        try:
            worker(pointer)
        finally:  # an interrupt must not free arrays that a thread still writes
            wait(waiting)

    return run
