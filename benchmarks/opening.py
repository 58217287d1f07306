"""From the start of a process to the first answer of a stream: seconds.

Fresh processes in turn, with warm caches: of refrain's code, of Python's and of the
file system. The least of all rounds is what the work takes; what is more than that,
other programs took.

    python benchmarks/opening.py
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
from harness import machine, table

import refrain
from refrain.keras import layers

ONNX = """
import numpy, onnxruntime
session = onnxruntime.InferenceSession("net.onnx", providers=["CPUExecutionProvider"])
session.run(None, {session.get_inputs()[0].name: numpy.array([[3]], "int32")})
"""
LOAD = "import refrain; refrain.stream.load({!r}).step(3)"
CASES = {
    "Python alone": "",
    "`import numpy`": "import numpy",
    "`import refrain.stream`": "import refrain.stream",
    "`load(net.keras)`, a step": LOAD.format("net.keras"),
    "`load(net.step)`, a step": LOAD.format("net.step"),
    "ONNX Runtime, a step": ONNX,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        for number in range(rounds + 1):  # the first one warms what is cached
            for name, code in CASES.items():
                taken = seconds(code, folder)
                if number:
                    found[name].append(taken)
    print(machine())
    head = ("process", "least wall s", "median wall s", "least processor s")
    print(table(head, [(name, *row(found[name])) for name in CASES]))


def write(folder: Path) -> None:
    """The network in a file for each of them."""
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            layers.Embedding(1000, 32),
            layers.LSTM(64, return_sequences=True),
            layers.GRU(32),
            layers.Dense(4, activation="softmax"),
        ]
    )
    refrain.stream.open(model).save(folder / "net.step")
    refrain.export.onnx(model, folder / "net.onnx")
    refrain.to_keras(model).save(folder / "net.keras")


def seconds(code: str, folder: str) -> tuple[float, float]:
    """Of the clock, and of all processors."""
    environment = os.environ | {"PYTHONPYCACHEPREFIX": folder}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, check=True
    )
    wall, after = (
        time.perf_counter() - start,
        resource.getrusage(resource.RUSAGE_CHILDREN),
    )
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used


def row(taken: list[tuple[float, float]]) -> tuple[str, ...]:
    walls, used = zip(*taken, strict=True)
    return tuple(f"{s:.3f}" for s in (min(walls), statistics.median(walls), min(used)))


if __name__ == "__main__":
    main()
