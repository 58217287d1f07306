"""How much of the machine's product speed a layer's whole training step reaches.

The speed of a large float32 product (NumPy's BLAS) is measured in the same rounds. The
work counted is that of the products alone: forward, backward and weight gradients.

    python benchmarks/roofline.py
"""

from __future__ import annotations

import argparse

import numpy as np
from harness import in_turn, machine, table
from kernels import training_step

from refrain import cells

SIZE = 2048  # of the product
CELLS = {"lstm": cells.lstm, "gru": cells.gru, "simple_rnn": cells.simple_rnn}
# units x features x batch x steps
SHAPES = ("128x64x32x200", "128x128x256x50", "256x256x32x100", "256x256x256x25")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cells", default=",".join(CELLS))
    parser.add_argument("--cases", default=",".join(SHAPES))
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    a = np.random.default_rng(0).normal(size=(SIZE, SIZE)).astype("f4")
    rows = []
    for name in arguments.cells.split(","):
        for shape in arguments.cases.split(","):
            units, features, batch, steps = map(int, shape.split("x"))
            sized = CELLS[name](units)
            step, work = training_step(sized, features, batch, steps)
            times = in_turn({"ours": step, "sgemm": lambda: a @ a}, arguments.rounds)
            ours = work / times["ours"] / 1e9
            sgemm = 2 * SIZE**3 / times["sgemm"] / 1e9
            share = f"{100 * ours / sgemm:.0f} %"
            rows.append((name, shape, f"{ours:.0f}", f"{sgemm:.0f}", share))
    print(machine())
    head = ("cell", "units x features x batch x steps", "ours GFLOP/s", "sgemm GFLOP/s")
    print(table((*head, "share"), rows))


if __name__ == "__main__":
    main()
