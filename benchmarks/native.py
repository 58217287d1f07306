"""One step of an exported network from C: microseconds a step, one thread.

The C program is given the frames and tells its outputs, which are Python's, before it
times anything: steps one by one as they come, the clock read around 1000 of them.

    python benchmarks/native.py
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from pathlib import Path

import keras
import numpy as np
from harness import machine, table

import refrain
from refrain.keras import layers

CHECKED, ROUNDS = 50, 201
PROGRAM = """
#define _POSIX_C_SOURCE 199309L
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "net.h"

enum { STEPS = 1000 };
static net_stream stream;
static float x[FRAMES * NET_FEATURES], y[FRAMES * NET_OUTPUTS];
static double times[ROUNDS];

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return 1e6 * t.tv_sec + 1e-3 * t.tv_nsec;
}

static int smaller(const void *a, const void *b) {
  double p = *(const double *)a, q = *(const double *)b;
  return (p > q) - (p < q);
}

int main(int count, char **names) {
  FILE *file = fopen(names[1], "rb");
  if (count != 3 || !file || fread(x, sizeof x, 1, file) != 1) return 1;
  net_init(&stream);
  for (int t = 0; t < FRAMES; t++)
    net_step(&stream, x + t * NET_FEATURES, y + t * NET_OUTPUTS);
  file = fopen(names[2], "wb");
  if (!file || fwrite(y, sizeof y, 1, file) != 1 || fclose(file)) return 1;
  for (int r = 0; r < ROUNDS; r++) {
    double start = now();
    for (int t = 0; t < STEPS; t++)
      net_step(&stream, x + t % FRAMES * NET_FEATURES, y);
    times[r] = (now() - start) / STEPS;
  }
  qsort(times, ROUNDS, sizeof *times, smaller);
  printf("%g %g\\n", times[ROUNDS / 2], times[0]);
  return 0;
}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", default="32,128")
    arguments = parser.parse_args()
    rows = [
        (kind, str(units), weights, *measured(kind, units, weights))
        for kind in ("LSTM", "GRU")
        for units in map(int, arguments.units.split(","))
        for weights in ("float32", "int8")
    ]
    print(machine())
    head = (
        "layer",
        "units",
        "weights",
        "bytes of code",
        "µs a step",
        "in the fastest round",
    )
    print(table(head, rows))


def measured(kind: str, units: int, weights: str) -> tuple[str, ...]:
    layer = getattr(layers, kind)(units, return_sequences=True)
    model = keras.Sequential([keras.Input((None, units)), layer])
    x = np.random.default_rng(0).normal(size=(CHECKED, units)).astype("float32")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = refrain.export.native(model, folder / "net.o", weights=weights)
        (folder / "main.c").write_text(PROGRAM)
        x.tofile(folder / "x")
        sizes = [f"-DFRAMES={CHECKED}", f"-DROUNDS={ROUNDS}"]
        build = ["gcc", "-O2", *sizes, "main.c", "net.o", "-o", "main"]
        subprocess.run(build, cwd=folder, check=True)
        command = ["./main", "x", "y"]
        done = subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True
        )
        found = np.fromfile(folder / "y", "float32").reshape(CHECKED, units)
        size = made.files[0].stat().st_size
    expected = refrain.stream.open(model, weights=weights).run(x)
    if not np.abs(found - expected).max() < 1e-6:
        raise SystemExit(f"{kind} {units} {weights}: C differs from Python")
    median, least = map(float, done.stdout.split())
    return f"{size:,}", f"{median:.2f}", f"{least:.2f}"


if __name__ == "__main__":
    main()
