"""A lock that no child of a fork inherits while it is held."""

from __future__ import annotations

import os
import threading
from typing import Any


class Lock:
    """A lock for a `with` block.

    A child of a fork has none of the threads that may have held it, and starts anew.
    """

    def __init__(self):
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Wait for the lock and hold it."""
        self._lock.acquire()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: Any) -> None:
        self._lock.release()
