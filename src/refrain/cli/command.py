"""The command as it was given, which reports tell, so that it can be given again."""

from __future__ import annotations

import shlex
import sys


def command_line() -> str:
    """What was typed, as a line for a shell."""
    return shlex.join(["refrain", *sys.argv[1:]])
