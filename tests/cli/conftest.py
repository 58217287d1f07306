"""The `refrain` command, run in this process or in one of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from refrain.cli.main import run

SCRIPT = Path(sys.executable).with_name("refrain")


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def refrain(monkeypatch, capsys):
    """Run `refrain ...` in this process."""

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["refrain", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            run()
        return Ended(ended.value.code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def start():
    """Start the installed command in a process of its own, as a shell does."""

    def popen(*arguments, **settings):
        return subprocess.Popen(
            [SCRIPT, *map(str, arguments)],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return popen


@pytest.fixture
def refused(refrain):
    """Run `refrain ...`, which must be refused in one line; that line."""

    def call(*arguments):
        code, out, err = refrain(*arguments)
        assert code == 2
        assert not out
        assert err.startswith("refrain: error: ")
        assert err.count("\n") == 1
        return err

    return call
