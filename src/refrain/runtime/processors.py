"""How many threads a kernel may use, and what share of a batch each of them has."""

from __future__ import annotations

import os
from functools import cache

from refrain.errors import KernelError


def threads() -> int:
    """How many threads a kernel may use: `REFRAIN_THREADS`, or all processors."""
    return chosen_threads() or processors()


def chosen_threads() -> int:
    """`REFRAIN_THREADS`; 0 where it is not set: as many as a call has work for.

    Raises:
        KernelError: it is no number.
    """
    text = os.environ.get("REFRAIN_THREADS", "0")
    if not text.isdecimal():
        raise KernelError(
            f"REFRAIN_THREADS: expected a number of threads, received {text!r}"
        )
    return int(text)


@cache
def processors() -> int:
    """How many processors this process may run on."""
    return len(usable_processors())


def usable_processors() -> list[int]:
    """The numbers of the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def rows_a_thread(batch: int | None) -> int:
    """A number of samples that stands for the share of a thread in a batch."""
    share = -(-batch // threads()) if batch else 16
    return next((r for r in (1, 2, 3, 4, 8, 12, 16) if share <= r), 24)
