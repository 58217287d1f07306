"""Processes that train beside each other, and how many of them a machine bears.

One process a core, with one thread, is the default. The networks of a comparison are
small: on two cores, eight trainings of 32 units took 18 s in two processes of one core
each, 28 s one after the other on both cores, and 35 s in two processes that both used
both cores.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import refrain
from refrain.compare.recipe import Recipe
from refrain.errors import RefrainError
from refrain.runtime.processors import usable_processors

PROCESS_BYTES = 1 << 30  # Keras, an array library, data and a small network


def fitting_jobs(tasks: int) -> int:
    """So many processes that each has a core, a task and the memory it needs."""
    return max(1, min(len(usable_processors()), tasks, _free_bytes() // PROCESS_BYTES))


def _free_bytes() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        known = dict(line.split(":", 1) for line in lines)
        return 1024 * int(known["MemAvailable"].split()[0])
    except (OSError, LookupError, ValueError):  # not Linux: trust the cores
        return len(usable_processors()) * PROCESS_BYTES


class WorkerError(RefrainError):
    """A process ended before it answered."""


class Worker:
    """A process that answers one task at a time; see `refrain.compare.worker`.

    Args:
        recipe: of the comparison.
        jobs: how many processes there are beside each other.
        number: which of them this is.
    """

    def __init__(self, recipe: Recipe, jobs: int, number: int):
        own = usable_processors()[number::jobs]
        threads = {} if jobs == 1 else {"REFRAIN_THREADS": str(len(own))}
        source = str(Path(refrain.__file__).parents[1])
        path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the worker)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "refrain.compare.worker"],
            env={**os.environ, **threads, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf-8",
            # An interrupt is for the command, which ends its processes itself.
            start_new_session=True,
        )
        if jobs > 1 and hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):  # it is gone already
                os.sched_setaffinity(self._process.pid, own)
        self._write(recipe.to_json())

    def ask(
        self, task: dict[str, Any], report: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any]:
        """What a task found, or its fault.

        Raises:
            WorkerError: the process ended.
        """
        self._write(json.dumps(task))
        output: Any = self._process.stdout
        for line in output:
            answer = json.loads(line)
            if answer.keys() & {"found", "fault"}:
                return answer
            report(answer)
        raise WorkerError(self._last_words())

    def close(self) -> None:
        """End the process, whatever it is at."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(OSError):  # what was not read any more
                    stream.close()

    def _write(self, line: str) -> None:
        pipe: Any = self._process.stdin
        try:
            pipe.write(line + "\n")
            pipe.flush()
        except OSError:
            raise WorkerError(self._last_words()) from None

    def _last_words(self) -> str:
        code = self._process.wait()
        how = f"signal {-code}" if code < 0 else f"code {code}"
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        said = f": {lines[-1]}" if lines and code == 1 else ""  # Python's own fault
        return f"its process ended with {how}{said}"
