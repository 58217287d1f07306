"""Bare kernels for benchmarks, checked against the interpreter before they run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from refrain.bridge.numpy import call
from refrain.cells import SizedCell
from refrain.graph.evaluate import run
from refrain.runtime.driver import Kernel, Request, kernel_for
from refrain.runtime.processors import rows_a_thread
from refrain.runtime.report import programs_of, rehearsals


def training_step(
    sized: SizedCell, features: int, batch: int, steps: int
) -> tuple[Callable[[], None], float]:
    """All programs of a training step on random numbers, and its work in FLOP."""
    request = Request(sized, features, training=True, rows=rows_a_thread(batch))
    kernel = kernel_for(request)
    check(kernel, sized, features)
    programs = rehearsals(kernel, batch, steps)
    adds = sum(native.program.multiply_adds for _, native in programs_of(kernel))

    def step() -> None:
        for program in programs.values():
            program()

    return step, 2 * adds * batch * steps


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
