"""What a kernel is, and how fast it runs: for people who ask.

`describe` tells it in words, `measure` runs the kernel on random numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from refrain.plan.program import Buffer
from refrain.plan.show import show
from refrain.runtime.driver import Kernel, Native
from refrain.runtime.memory import empty
from refrain.runtime.threads import run_native

ROUNDS = 5


def describe(kernel: Kernel) -> str:
    """Processor, compile time, size and work of each program, and the plan."""
    target = kernel.target
    made = "loaded from the disk cache" if kernel.cached else "compiled"
    vector = f"{target.width} numbers a vector"
    lines = [
        f"kernel {kernel.name}: {target.dtype}, {vector}, {target.cpu}",
        f"  {made} in {kernel.seconds:.2f} s, {kernel.size / 1024:.0f} KiB of code",
    ]
    if kernel.linear:
        lines.append("  linear in its states, unit by unit")
    for name, native in programs_of(kernel):
        work = f"{native.program.multiply_adds:,} multiply-adds"
        lines.append(f"  {name}: {work} a step and sample")
    return "\n".join(
        (*lines, *(f"  {line}" for line in show(kernel.plan).splitlines()))
    )


def measure(kernel: Kernel, batch: int, timesteps: int) -> dict[str, float]:
    """Speed of each program in GFLOP/s: median of some runs on random numbers.

    Args:
        kernel: to be measured.
        batch: number of samples.
        timesteps: number of steps.
    """
    found: dict[str, float] = {}
    programs = dict(programs_of(kernel))
    for name, run in rehearsals(kernel, batch, timesteps).items():
        taken = []
        for _ in range(ROUNDS + 1):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
        work = 2 * programs[name].program.multiply_adds * batch * timesteps
        found[name] = work / float(np.median(taken[1:])) / 1e9
    return found


def rehearsals(
    kernel: Kernel, batch: int, timesteps: int
) -> dict[str, Callable[[], None]]:
    """For each program a function that runs it on random numbers, by name."""
    rng = np.random.default_rng(0)
    dtype = np.dtype(kernel.target.dtype)
    shared: dict[str, np.ndarray] = {}

    def array(name: str, buffer: Buffer) -> np.ndarray:
        key = buffer.over or buffer.name
        if key in _OWN:
            key = f"{name} {key}"
        if key not in shared:
            shape = buffer.shape(batch, timesteps)
            shared[key] = empty(shape, dtype)  # aligned, as bridges align arrays
            shared[key][...] = _numbers(buffer, shape, rng)
        return shared[key]

    def rehearsal(native: Native, arrays: list[np.ndarray]) -> Callable[[], None]:
        # The arrays live as long as this function does.
        return lambda: run_native(
            native, [a.ctypes.data for a in arrays], batch, timesteps
        )

    return {
        name: rehearsal(native, [array(name, b) for b in native.program.buffers])
        for name, native in programs_of(kernel)
    }


# Buffers that each program has for itself.
_OWN = ("packed", "fixed", "scratch", "carry")


def _numbers(buffer: Buffer, shape: tuple[int, ...], rng) -> np.ndarray:
    if buffer.name == "mask":
        return np.ones(shape)
    return rng.normal(size=shape, scale=0.1)


def programs_of(kernel: Kernel) -> Iterator[tuple[str, Native]]:
    """The programs that a kernel has, by name, in the order in which they run."""
    for name in ("forward", "backward", "gathering"):
        native = getattr(kernel, name)
        if native is not None:
            yield name, native
