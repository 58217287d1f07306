"""Does each cell learn the adding problem, and over how many steps?

Hochreiter and Schmidhuber 1997: of many numbers in [0, 1] two are marked, and their
sum is asked for after the last. Who puts out 1 always has the squared error 0.167.
The model is Dense(32, relu), the cell with 64 units, Dense(1): the first layer lets
cells that are the same at all times, such as the LRU, see products of number and mark.
Adam, fresh sequences in each batch, one seed; it stops early at an error of 0.01.

    python benchmarks/adding.py --steps 50
    python benchmarks/adding.py --steps 200 --updates 2000 simple_rnn lstm lru
"""

from __future__ import annotations

import argparse
import os

os.environ["KERAS_BACKEND"] = "jax"

from harness import table

from refrain import cells
from refrain.study.candidates import find_candidates
from refrain.tasks.attempts import Effort, attempt
from refrain.tasks.probes import find_probe


def learn(cell: cells.Cell, arguments: argparse.Namespace) -> tuple:
    (candidate,) = find_candidates(cell.name)
    effort = Effort(
        updates=arguments.updates, learning_rate=arguments.rate, seed=arguments.seed
    )
    found, _ = attempt(find_probe("adding"), candidate, arguments.steps, effort)
    return cell.name, found.updates, f"{found.error:.4f}", f"{found.cpu_s:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cells", nargs="*", help="names; without any, all")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--updates", type=int, default=1500)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    chosen = [c for c in cells.ALL if c.name in arguments.cells or not arguments.cells]
    rows = []
    for cell in chosen:
        rows.append(learn(cell, arguments))
        print(*rows[-1], flush=True)
    print(table(("cell", "updates", "squared error", "CPU s"), rows))


if __name__ == "__main__":
    main()
