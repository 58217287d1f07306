"""Runs a compiled program on a caller's threads, or on Python's where it brings none.

Native code holds no lock of Python's, so ranges of samples run side by side. The pool
is made anew after a fork, whose child has none of its parent's threads.
"""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import pairwise

from refrain.emit.llvm.xla import job_words
from refrain.runtime.driver import Native, threads
from refrain.runtime.openmp import Team

_ENTRY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, *[ctypes.c_int64] * 4)


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
    run = _ENTRY(native.run)
    count = max(1, min(threads(), work))
    if count == 1:
        run(base, batch, timesteps, 0, work)
        return
    if team is not None:
        ranges = count if native.tasks is None else work
        words = job_words(addresses, ranges, work, batch, timesteps)
        job = (ctypes.c_int64 * len(words))(*words)
        team(native.worker, ctypes.addressof(job), count)
        return
    ends = [work * k // count for k in range(count + 1)]
    pool = _pool(os.getpid(), count)
    waiting = [
        pool.submit(run, base, batch, timesteps, first, end)
        for first, end in pairwise(ends[1:])
    ]
    try:
        run(base, batch, timesteps, ends[0], ends[1])
    finally:  # an interrupt must not free arrays that a thread still writes
        wait(waiting)


@cache
def _pool(_process: int, count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count - 1, "refrain")
