"""A second thread for a stream: it helps with steps, and sleeps when none come."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from refrain.emit.llvm.team import ASLEEP, DONE, WORDS
from refrain.runtime.memory import empty


class Assistant:
    """A thread that is in `assist` while steps come.

    Native code looks for work for some 100 µs and then returns, and the thread waits
    until it is woken. It ends with this object, and with the process.

    Args:
        assist: native code, `<name>_assist`.
    """

    def __init__(self, assist: Callable[[int], None]):
        words = empty((WORDS,), np.dtype(np.int64))
        words[:] = 0
        words[ASLEEP] = 1
        self._words = words
        self._address: int = words.ctypes.data
        self._asleep = ctypes.c_int64.from_address(self._address + 8 * ASLEEP)
        self._called = threading.Event()
        ended = threading.Event()
        # The thread holds what it works with, and not this object.
        thread = threading.Thread(
            target=_serve,
            args=(assist, words, self._called, ended),
            name="refrain stream",
            daemon=True,
        )
        thread.start()
        weakref.finalize(self, _end, self._called, ended).atexit = False

    def during(self, lead: Callable[..., None], *arguments: Any) -> None:
        """Do steps with the thread's help, if it comes in time.

        Args:
            lead: native code, `<name>_lead`.
            arguments: all of its arguments but the last one.
        """
        if self._asleep.value:  # an array would take a few times as long
            self._called.set()
        lead(*arguments, self._address)

    @property
    def sleeps(self) -> bool:
        """No step has come for a while, or the thread has not begun."""
        return bool(self._words[ASLEEP])

    @property
    def done(self) -> int:
        """How many blocks of units it has computed."""
        return int(self._words[DONE])


def _serve(
    assist: Callable[[int], None],
    words: np.ndarray,
    called: threading.Event,
    ended: threading.Event,
) -> None:
    while True:
        called.wait()
        called.clear()
        if ended.is_set():
            return
        assist(words.ctypes.data)


def _end(called: threading.Event, ended: threading.Event) -> None:
    ended.set()
    called.set()
