"""Every cell of the zoo: our training step, and the same equations in a JAX scan.

A step is forward and backward on JAX, on batch 32 × 200 steps, 64 features and 128
units. The last column is the time of our step over the time that the cell's
multiply-adds would take at the rate of our LSTM, which runs in the same rounds.

    python benchmarks/zoo.py [cell ...]

On a machine that has other work, `--kernels` gives the last column alone, from
processor time: the kernels of a step, on one thread, the least of all rounds. `*` marks
what is above 1.6.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ["KERAS_BACKEND"] = "jax"

import jax
import numpy as np
from harness import in_turn, machine, table

from refrain import cells, layers
from refrain.cells import SizedCell
from refrain.graph.changes import Changes
from refrain.layers.scan import Weights, scan_cell
from refrain.runtime.driver import Kernel, Request, kernel_for
from refrain.runtime.processors import rows_a_thread
from refrain.runtime.report import programs_of, rehearsals

BATCH, STEPS, FEATURES, UNITS = 32, 200, 64, 128
LIMIT = 1.6  # of a step's time over that of its multiply-adds at the LSTM's rate


def sized_cell(cell: cells.Cell) -> SizedCell:
    return cell(UNITS, **dict.fromkeys(cell.sizes[1:], UNITS // 2))


def point(sized: SizedCell) -> tuple:
    """Input, variables, and what the outputs are multiplied by."""
    rng = np.random.default_rng(0)
    shapes = [(BATCH, STEPS, FEATURES), (BATCH, STEPS, sized.output_size)]
    x, weight = (jax.numpy.asarray(rng.normal(size=s), "float32") for s in shapes)
    layer = layers.RNN(sized)  # its fresh weights
    layer.build(x.shape)
    return x, [v.value for v in layer.trainable_variables], weight


def kernel_step(sized: SizedCell) -> Callable:
    layer = layers.RNN(sized, return_sequences=True)
    layer.build((BATCH, STEPS, FEATURES))
    frozen = [v.value for v in layer.non_trainable_variables]
    return gradient(lambda x, weights: layer.stateless_call(weights, frozen, x)[0])


def scan_step(sized: SizedCell) -> Callable:
    variables = sized.variables(FEATURES)
    states = [np.zeros((BATCH, size), "float32") for size in sized.state_size]

    def outputs(x, weights):
        names = [v.name for v in variables]
        arrays = dict(zip(names, weights, strict=True))
        weights = Weights(variables, arrays)
        return scan_cell(sized, {"x": x}, states, weights, Changes()).outputs

    return gradient(outputs)


def gradient(outputs: Callable) -> Callable:
    def loss(x, weights, weight):
        return (outputs(x, weights) * weight).mean()

    return jax.jit(jax.value_and_grad(loss, argnums=(0, 1)))


def training_kernel(sized: SizedCell) -> Kernel:
    rows = rows_a_thread(BATCH)
    return kernel_for(Request(sized, FEATURES, training=True, rows=rows))


def multiply_adds_of(sized: SizedCell) -> int:
    """Of all programs, for one step of one sample."""
    programs = programs_of(training_kernel(sized))
    return sum(native.program.multiply_adds for _, native in programs)


def row(cell: cells.Cell, rounds: int) -> tuple:
    sized, lstm = sized_cell(cell), sized_cell(cells.lstm)
    given, lstm_given = point(sized), point(lstm)
    ours, theirs, reference = kernel_step(sized), scan_step(sized), kernel_step(lstm)
    for a, b in zip(*map(jax.tree.leaves, (ours(*given), theirs(*given))), strict=True):
        if not np.allclose(a, b, rtol=1e-2, atol=1e-3 * float(abs(b).max())):
            raise SystemExit(f"{cell.name}: kernel and scan differ")
    runs = {
        "ours": lambda: jax.block_until_ready(ours(*given)),
        "scan": lambda: jax.block_until_ready(theirs(*given)),
        "lstm": lambda: jax.block_until_ready(reference(*lstm_given)),
    }
    ours_s, scan_s, lstm_s = in_turn(runs, rounds).values()
    work = multiply_adds_of(sized)
    at_lstm_rate = lstm_s * work / multiply_adds_of(lstm)
    return (
        cell.name,
        f"{1e3 * ours_s:.1f}",
        f"{1e3 * scan_s:.1f}",
        f"{scan_s / ours_s:.1f}",
        f"{work:,}",
        f"{ours_s / at_lstm_rate:.2f}",
    )


def kernel_row(cell: cells.Cell, rounds: int) -> tuple:
    """Milliseconds of processor time of each program, and the last column."""
    sized, lstm = sized_cell(cell), sized_cell(cells.lstm)
    ours, theirs = least_times(sized, rounds), least_times(lstm, rounds)
    ours = least_of(ours, least_times(sized, rounds))  # the LSTM's turn lies between
    work = multiply_adds_of(sized) / multiply_adds_of(lstm)
    ratio = sum(ours.values()) / (sum(theirs.values()) * work)
    times = [f"{1e3 * t:.1f}" for t in ours.values()]
    return cell.name, *times, f"{ratio:.2f}{' *' if ratio > LIMIT else ''}"


def least_times(sized: SizedCell, rounds: int) -> dict[str, float]:
    found: dict[str, float] = {}
    runs = rehearsals(training_kernel(sized), BATCH, STEPS)
    for _ in range(rounds):
        taken = {}
        for name, run in runs.items():
            start = time.thread_time()
            run()
            taken[name] = time.thread_time() - start
        found = least_of(found, taken)
    return found


def least_of(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {name: min(t, one.get(name, t)) for name, t in other.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("cells", nargs="*", help="names; without any, all")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--kernels", action="store_true", help="processor time alone")
    arguments = parser.parse_args()
    chosen = [c for c in cells.ALL if c.name in arguments.cells or not arguments.cells]
    if arguments.kernels:
        os.environ["REFRAIN_THREADS"] = "1"  # kernels run on the thread that calls
        rows = [kernel_row(cell, arguments.rounds) for cell in chosen]
        head = ("cell", "forward ms", "backward ms", "gathering ms")
        print(table((*head, "time over LSTM's rate"), rows))
        return
    rows = [row(cell, arguments.rounds) for cell in chosen]
    print(machine())
    head = ("cell", "ours ms", "JAX scan ms", "times faster", "multiply-adds a step")
    print(table((*head, "time over LSTM's rate"), rows))


if __name__ == "__main__":
    main()
