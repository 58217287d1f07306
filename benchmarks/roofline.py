"""How much of the machine's product speed a layer's whole training step reaches.

The speed of a large float32 product (NumPy's BLAS) is measured in the same rounds. The
work counted is that of the products alone: forward, backward and weight gradients.

    python benchmarks/roofline.py
"""

from __future__ import annotations

import argparse

import numpy as np
from harness import in_turn, machine, table

from refrain import cells
from refrain.bridge.numpy import call
from refrain.cells import SizedCell
from refrain.graph.evaluate import run
from refrain.runtime.driver import Kernel, Request, kernel_for, rows_a_thread
from refrain.runtime.report import multiply_adds, programs_of, rehearsals

SIZE = 2048  # of the product
CELLS = {"lstm": cells.lstm, "gru": cells.gru, "simple_rnn": cells.simple_rnn}
# units x features x batch x steps
SHAPES = ("128x64x32x200", "128x128x256x50", "256x256x32x100", "256x256x256x25")


def check(kernel: Kernel, sized: SizedCell, features: int) -> None:
    """The kernel equals the interpreter, or its speed is of no interest."""
    rng = np.random.default_rng(0)
    variables = sized.variables(features)
    given = {v.name: rng.normal(size=v.shape, scale=0.1) for v in variables}
    weights: dict[str, np.ndarray] = {}
    for variable in variables:
        weights |= variable.unpack(given[variable.name])
    x = rng.normal(size=(3, 4, features))
    states = {s: np.zeros((3, sized.sizes["units"])) for s in sized.cell.states}
    exact, _ = run(sized.graph, x, states, weights)
    given |= {"x": x, **{f"first_{s}": a for s, a in states.items()}}
    found = call(kernel.forward, given, 3, 4, np.dtype("f4"))["y"]
    if not np.abs(found - exact).max() < 1e-5:
        raise SystemExit(f"{kernel.name} differs from the interpreter")


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
            request = Request(sized, features, training=True, rows=rows_a_thread(batch))
            kernel = kernel_for(request)
            check(kernel, sized, features)
            programs = rehearsals(kernel, batch, steps).values()
            contestants = {
                "ours": lambda programs=programs: [program() for program in programs],
                "sgemm": lambda: a @ a,
            }
            times = in_turn(contestants, arguments.rounds)
            adds = sum(multiply_adds(n.program) for _, n in programs_of(kernel))
            work = 2 * adds * batch * steps
            ours = work / times["ours"] / 1e9
            sgemm = 2 * SIZE**3 / times["sgemm"] / 1e9
            share = f"{100 * ours / sgemm:.0f} %"
            rows.append((name, shape, f"{ours:.0f}", f"{sgemm:.0f}", share))
    print(machine())
    head = ("cell", "units x features x batch x steps", "ours GFLOP/s", "sgemm GFLOP/s")
    print(table((*head, "share"), rows))


if __name__ == "__main__":
    main()
