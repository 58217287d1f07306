"""Results are the same in every process, however many threads compute them."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from refrain.errors import KernelError
from refrain.runtime.processors import processors, threads

PROCESSES = 100

# One training step; prints a hash of the results, and of their names and shapes.
STEP = """
import hashlib
import sys
import numpy as np
from refrain import cells
from refrain.bridge.numpy import call
from refrain.runtime.driver import Request, kernel_for

batch, timesteps, features, units = 13, 9, 5, 37
dtype = np.dtype("float32")
kernel = kernel_for(Request(cells.lstm(units), features, training=True, rows=4))
given = {}
for program in (kernel.forward, kernel.backward, kernel.gathering):
    for buffer in program.program.inputs:
        if buffer.name not in given:
            rng = np.random.default_rng(list(buffer.name.encode()))
            shape = buffer.shape(batch, timesteps)
            given[buffer.name] = rng.normal(size=shape, scale=0.5)
    given |= call(program, given, batch, timesteps, dtype)
digest = hashlib.sha256()
for name, array in sorted(given.items()):
    if name not in ("tape", "streams", "carry", "scratch", "packed", "fixed", "totals"):
        digest.update(f"{name} {array.shape}".encode() + array.tobytes())
unwanted = {"keras", "jax", "torch", "tensorflow"} & set(sys.modules)
print(digest.hexdigest(), *unwanted)
"""


def run(code: str, **variables) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **{name: str(v) for name, v in variables.items()}},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.slow
def test_a_hundred_processes_have_one_result(tmp_path):
    """Each has other dirt in fresh memory, another hash seed, and 1 to 3 threads."""

    def one(number: int) -> str:
        variables = {"REFRAIN_CACHE": tmp_path, "PYTHONHASHSEED": number}
        variables |= {"MALLOC_PERTURB_": number, "REFRAIN_THREADS": 1 + number % 3}
        return run(STEP, **variables)

    with ThreadPoolExecutor(2) as two_at_a_time:
        found = set(two_at_a_time.map(one, range(PROCESSES)))
    assert len(found) == 1
    (digest,) = found
    assert len(digest) == 64  # and no array library beside it
    assert len(list(tmp_path.iterdir())) == 1


def test_results_do_not_depend_on_the_cache(tmp_path):
    assert run(STEP, REFRAIN_CACHE="off") == run(STEP, REFRAIN_CACHE=tmp_path)


FORK = """
import os
import signal
import threading
from refrain import cells
from refrain.runtime.driver import Request, kernel_for

compiling = threading.Thread(
    target=lambda: [kernel_for(Request(cells.lstm(u), 3, training=True))
                    for u in (17, 33, 50)])
compiling.start()
while not os.listdir(os.environ["REFRAIN_CACHE"]):
    pass  # the first is done: the second is being compiled
child = os.fork()
signal.alarm(20)  # ends whichever of the two waits for ever
if child == 0:
    kernel_for(Request(cells.gru(9), 3))
    os._exit(7)
compiling.join()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_may_fork_while_a_thread_compiles(tmp_path):
    assert run(FORK, REFRAIN_CACHE=tmp_path) == "7"


LOAD = """
import os
import signal
from refrain import cells
from refrain.runtime import compile, driver

driver.kernel_for(driver.Request(cells.gru(9), 3))
compile._lock.acquire()  # as a thread does that is loading code
child = os.fork()
signal.alarm(20)
if child == 0:
    driver.kernel_for(driver.Request(cells.gru(10), 3))
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_process_may_fork_while_a_thread_loads(tmp_path):
    assert run(LOAD, REFRAIN_CACHE=tmp_path) == "7"


@pytest.mark.parametrize("count", ["abc", "-1", "2.5", "", " ", "0x2"])
def test_a_wrong_number_of_threads_is_refused(count, monkeypatch):
    monkeypatch.setenv("REFRAIN_THREADS", count)
    expected = "REFRAIN_THREADS: expected a number of threads, received "
    with pytest.raises(KernelError, match=expected):
        threads()


def test_threads_are_as_many_as_wished(monkeypatch):
    monkeypatch.setenv("REFRAIN_THREADS", "3")
    assert threads() == 3
    every = processors()
    monkeypatch.setenv("REFRAIN_THREADS", "0")
    assert threads() == every
    monkeypatch.delenv("REFRAIN_THREADS")
    assert threads() == every


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="Linux's own")
def test_processors_that_a_process_may_not_use_do_not_count():
    code = "from refrain.runtime.processors import threads; print(threads())"
    one = min(os.sched_getaffinity(0))
    bound = f"import os; os.sched_setaffinity(0, [{one}]); {code}"
    assert run(bound, REFRAIN_THREADS=0) == "1"
    assert run(code, REFRAIN_THREADS=0) == str(len(os.sched_getaffinity(0)))
