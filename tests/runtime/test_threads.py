"""How many threads a job gets, and that each has a processor of its own."""

from __future__ import annotations

import ctypes
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from refrain.cells import lstm, simple_rnn
from refrain.emit.llvm.job import BUSY, GRAIN, job_words
from refrain.runtime import processors
from refrain.runtime.driver import Request, kernel_for
from refrain.runtime.threads import threads_for
from tests.runtime.test_processes import run as in_process

linux = pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="Linux alone lets threads be moved"
)


def work_where_another_works(allowed: set[int]) -> tuple[int, int, set[int]]:
    """Take a job's part on a processor that it counts as busy.

    Returns:
        The processors in use before and after, as bits, and those allowed after it.
    """
    native = kernel_for(Request(simple_rnn(3), 2)).forward
    arrays = [np.zeros(b.shape(1, 1), "f4") for b in native.program.buffers]
    words = job_words([a.ctypes.data for a in arrays], 1, 1, 1, 1)
    job = (ctypes.c_int64 * len(words))(*words)
    worker = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(native.worker)
    os.sched_setaffinity(0, {min(allowed)})
    job[BUSY] = before = 1 << min(allowed)
    os.sched_setaffinity(0, allowed)
    worker(ctypes.addressof(job))
    return before, job[BUSY], os.sched_getaffinity(0)


@linux
def test_a_thread_leaves_a_processor_that_another_of_its_job_works_on():
    allowed = {cpu for cpu in os.sched_getaffinity(0) if cpu < 63}
    if len(allowed) < 2:
        pytest.skip("needs two processors")
    with ThreadPoolExecutor(1) as pool:  # whose thread ends with the test
        for _ in range(20):
            before, after, left = pool.submit(
                work_where_another_works, allowed
            ).result()
            assert after & ~before
            assert left == allowed


@linux
def test_a_thread_with_one_processor_stays_on_it():
    allowed = {min(os.sched_getaffinity(0))}
    with ThreadPoolExecutor(1) as pool:
        before, after, left = pool.submit(work_where_another_works, allowed).result()
    assert after == before
    assert left == allowed


def test_threads_are_woken_for_work_that_is_worth_it(monkeypatch):
    monkeypatch.setattr(processors, "processors", lambda: 3)
    native = kernel_for(Request(lstm(50), 1)).forward
    steps = GRAIN / native.program.work
    monkeypatch.delenv("REFRAIN_THREADS")
    few, more, most = (threads_for(native, 1, int(n * steps) + 1) for n in (0, 2, 9))
    assert (few, more, most) == (1, 2, 3)
    monkeypatch.setenv("REFRAIN_THREADS", "2")
    assert threads_for(native, 1, 1) == 2


IN_JAX = """
import hashlib
import numpy as np
from refrain import cells
from refrain.bridge.jax import recurrent
from refrain.runtime.driver import Request

rng = np.random.default_rng(0)
sized = cells.lstm(60)
variables = {v.name: rng.normal(size=v.shape).astype("f4") for v in sized.variables(3)}
for batch, timesteps in ((0, 5), (1, 1), (5, 2), (7, 300), (40, 100)):
    x = rng.normal(size=(batch, timesteps, 3)).astype("f4")
    states = [np.zeros((batch, 60), "f4")] * 2
    found = recurrent(Request(sized, 3), {"x": x}, variables, states)
    print(batch, hashlib.sha256(np.asarray(found.y).tobytes()).hexdigest())
"""


def test_as_many_threads_as_work_is_worth_have_the_same_results():
    expected = in_process(IN_JAX, REFRAIN_THREADS=1)
    assert len(set(expected.split())) == 10
    assert in_process(IN_JAX, REFRAIN_THREADS=0) == expected
