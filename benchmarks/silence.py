"""A million steps of a signal that decays to silence: does a step take longer in it?

Numbers below 1e-38 (denormal ones) take a processor many times as long, and a state
that decays meets them for thousands of steps. Steps are timed one by one from Python;
the slowest of all is what the system did meanwhile, so the median of each thousand is
told too.

    python benchmarks/silence.py
"""

from __future__ import annotations

import argparse
import time

import keras
import numpy as np
from harness import machine, table

import refrain
from refrain.keras import layers

PIECE = 1000  # steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--units", type=int, default=32)
    arguments = parser.parse_args()
    rows = [
        (kind, *measured(kind, arguments.units, arguments.steps))
        for kind in ("LSTM", "GRU")
    ]
    print(machine(), f"{arguments.steps:,} steps", sep="\n")
    head = ("layer", "median µs", "slowest thousand", "p99.9 µs", "slowest step µs")
    print(table(head, rows))


def measured(kind: str, units: int, steps: int) -> tuple[str, ...]:
    """The signal halves 200 times: two thirds of the steps are above 1e-38."""
    layer = getattr(layers, kind)(units, use_bias=False)
    model = keras.Sequential([keras.Input((None, units)), layer])
    stream = refrain.stream.open(model)
    first = np.random.default_rng(0).normal(size=units)
    taken = np.empty(steps)
    for step in range(steps):
        frame = (first * 0.5 ** (200 * step / steps)).astype("float32")
        start = time.perf_counter()
        stream.step(frame)
        taken[step] = time.perf_counter() - start
    micro = 1e6 * taken
    median = np.median(micro)
    slowest = np.median(micro[: steps // PIECE * PIECE].reshape(-1, PIECE), axis=1)
    return (
        f"{median:.2f}",
        f"{slowest.max() / median:.2f} × median",
        f"{np.percentile(micro, 99.9):.2f}",
        f"{micro.max():.0f}",
    )


if __name__ == "__main__":
    main()
