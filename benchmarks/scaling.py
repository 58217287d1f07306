"""How a layer's training step grows with batch, steps, units and threads.

One size at a time is varied from the usual ones (LSTM, 128 units, 64 features, batch
32, 200 steps). Cost a unit of work should stay the same: straight lines.

    python benchmarks/scaling.py
"""

from __future__ import annotations

import argparse
import os

from harness import in_turn, machine, table
from kernels import training_step

from refrain import cells

USUAL = {"units": 128, "features": 64, "batch": 32, "steps": 200, "threads": 2}
VARIED = {
    "batch": (1, 4, 16, 64, 256),
    "steps": (25, 100, 400, 1600),
    "units": (32, 64, 128, 256),
    "threads": (1, 2),
}


def step_of(sizes: dict[str, int]):
    """A training step of these sizes, and its work in FLOP."""
    os.environ["REFRAIN_THREADS"] = str(sizes["threads"])
    sized = cells.lstm(sizes["units"])
    run, work = training_step(sized, sizes["features"], sizes["batch"], sizes["steps"])

    def step() -> None:
        os.environ["REFRAIN_THREADS"] = str(sizes["threads"])
        run()

    return step, work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    rows = []
    for name, values in VARIED.items():
        made = {v: step_of({**USUAL, name: v}) for v in values}
        times = in_turn(
            {str(v): step for v, (step, _) in made.items()}, arguments.rounds
        )
        for value, (_, work) in made.items():
            seconds = times[str(value)]
            speed = f"{work / seconds / 1e9:.0f}"
            rows.append((name, value, f"{1e3 * seconds:.2f}", speed))
    print(machine())
    print(table(("varied", "value", "ms a step", "GFLOP/s"), rows))


if __name__ == "__main__":
    main()
