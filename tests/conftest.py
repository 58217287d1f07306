"""What all tests share: a source of random numbers, and golden files."""

import os
from pathlib import Path

import numpy as np
import pytest

# Before anything imports Keras or makes a kernel.
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("REFRAIN_THREADS", "2")  # for work of any size
KERNELS = Path(__file__).parent.parent / ".pytest_cache" / "kernels"
os.environ.setdefault("REFRAIN_CACHE", str(KERNELS))


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="write golden files anew"
    )


@pytest.fixture
def rng(request):
    """Random numbers that are the same for the same test."""
    return np.random.default_rng(sum(map(ord, request.node.name)))


@pytest.fixture
def golden(request):
    """Compare a text with tests/golden/<test>.txt, or write it anew."""

    def check(text: str) -> None:
        name = request.node.name.removeprefix("test_")
        for mark in "[]/ ":
            name = name.replace(mark, "-")
        file = Path(__file__).parent / "golden" / f"{name.strip('-')}.txt"
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        assert file.exists(), f"no golden file {file.name}; write it: --update-golden"
        assert text == file.read_text()

    return check
