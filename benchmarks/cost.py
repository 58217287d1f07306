"""What comes before speed: compile time of a layer, and peak memory of a training step.

Every figure is from fresh processes: compile time with an empty cache and with a full
one, memory as the operating system counts it (Linux).

    python benchmarks/cost.py
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

from harness import machine, table

COMPILE = """
import json
from refrain import cells
from refrain.runtime.driver import Request, kernel_for
kernel = kernel_for(Request(cells.{cell}({units}), 64, training=True, sequence=False))
print(json.dumps([kernel.seconds, kernel.cached]))
"""
MEMORY = """
import json, resource
import numpy as np
import {package}.layers as layers
import keras
model = keras.Sequential([layers.Embedding(1000, 64), layers.{layer}(128),
                          keras.layers.Dense(10)])
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile("adam", loss)
x = np.random.default_rng(0).integers(0, 1000, (64 * 4, 400))
model.build(x.shape)
model.train_on_batch(x[:2, :2], np.zeros(2))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
losses = model.fit(x, np.zeros(len(x)), batch_size=64, verbose=0).history["loss"]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([peak / 1024, before / 1024, losses[0]]))
"""
CELLS = ("lstm", "gru", "simple_rnn")
LAYERS = ("LSTM", "GRU", "SimpleRNN")


def run(code: str, **environment: str):
    """What a fresh process prints."""
    found = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(found.stdout)


def compile_times(rounds: int) -> list[tuple]:
    rows = []
    for cell in CELLS:
        for units in (128, 512):
            code = COMPILE.format(cell=cell, units=units)
            cold, warm = [], []
            for _ in range(rounds):
                with tempfile.TemporaryDirectory() as folder:
                    for times, cached in ((cold, False), (warm, True)):
                        seconds, found = run(code, REFRAIN_CACHE=folder)
                        if found is not cached:
                            raise SystemExit(f"{cell}: cached {found}, not {cached}")
                        times.append(seconds)
            cold_s, warm_s = statistics.median(cold), statistics.median(warm)
            rows.append((cell, units, f"{cold_s:.2f}", f"{warm_s:.3f}"))
    return rows


def memory(rounds: int) -> list[tuple]:
    rows = []
    for layer in LAYERS:
        peaks = {"refrain.keras": [], "keras": []}
        for _ in range(rounds):
            for package, found in peaks.items():
                found.append(run(MEMORY.format(package=package, layer=layer))[0])
        ours, theirs = (statistics.median(found) for found in peaks.values())
        rows.append((layer, f"{ours:.0f}", f"{theirs:.0f}", f"{ours / theirs:.2f}"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(machine())
    head = ("cell", "units", "compile s, no cache", "load s, from the cache")
    print(table(head, compile_times(arguments.rounds)))
    print()
    head = (
        "layer (128 units, batch 64 x 400)",
        "ours MiB",
        "Keras on JAX MiB",
        "ratio",
    )
    print(table(head, memory(arguments.rounds)))


if __name__ == "__main__":
    main()
