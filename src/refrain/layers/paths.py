"""Which path runs a cell over a sequence, and why: a native kernel, or a scan.

The kernel runs wherever the backend has a bridge that serves the device and the dtype.
`REFRAIN_KERNELS=off` forbids it, `REFRAIN_KERNELS=require` makes an error of every
other path. The scan is associative where the cell is linear in its states.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

import keras
from keras import ops

from refrain.cells import SizedCell
from refrain.errors import KernelError
from refrain.graph.changes import Changes
from refrain.graph.linear import linear_levels
from refrain.graph.masking import HELD, MASK
from refrain.graph.resets import RESETS
from refrain.layers.associative import scan_at_once
from refrain.layers.lookup import Lookup
from refrain.layers.scan import Weights, scan_cell

KERNEL, SCAN, ASSOCIATIVE = "kernel", "a scan", "an associative scan"


@dataclass(frozen=True)
class Run:
    """How a layer runs its cell.

    Attributes:
        sequence: the outputs of all steps are wanted.
        against_time: from the last step to the first.
        changes: of the cell's equations.
        unroll: the scan writes its loop out.
        lookup: words to be looked up by a kernel, instead of products with the input.
    """

    sequence: bool
    against_time: bool = False
    changes: Changes = field(default_factory=Changes)
    unroll: bool = False
    lookup: Lookup | None = None


class Ran(NamedTuple):
    """What comes out of a cell.

    Attributes:
        last_output: the output of the last step.
        outputs: of all steps; the last as the only one where others are not wanted.
        last: the last states.
        every: the states of all steps, in order; empty where they are not wanted.
    """

    last_output: Any
    outputs: Any
    last: list[Any]
    every: list[Any]


def choose_path(sized: SizedCell, dtype: str, unroll: bool) -> tuple[str, str]:
    """The path for a cell whose equations are known, and why."""
    reason = _against_kernels(dtype)
    if reason is None:
        return KERNEL, f"{keras.backend.backend()} on cpu in {dtype}"
    return (ASSOCIATIVE if _scans_at_once(sized, unroll) else SCAN), reason


def _scans_at_once(sized: SizedCell, unroll: bool) -> bool:
    """Whether the scan is associative; an unrolled loop is what its user asked for."""
    return not unroll and bool(linear_levels(sized.graph, tuple(sized.cell.states)))


def _against_kernels(dtype: str) -> str | None:
    """Why native kernels cannot run; None where they can."""
    wish = _wish()
    if wish not in ("", "off", "require"):
        raise KernelError(
            f"REFRAIN_KERNELS: expected off or require, received {wish!r}"
        )
    if wish == "off":
        return "REFRAIN_KERNELS=off"
    backend = keras.backend.backend()
    if importlib.util.find_spec(f"refrain.bridge.{backend}") is None:
        reason = f"there is no bridge to {backend} yet"
    else:
        reason = _bridge().serves(dtype)
    if reason is not None:
        require_kernels(reason)
    return reason


def require_kernels(reason: str) -> None:
    """Raise if the user wants kernels and nothing else."""
    if _wish() == "require":
        raise KernelError(f"REFRAIN_KERNELS=require, but {reason}")


def run_cell(
    sized: SizedCell,
    inputs: Mapping[str, Any],
    states: Sequence[Any],
    weights: Weights,
    run: Run,
) -> Ran:
    """Run a cell over a sequence on the path that fits.

    Args:
        sized: the cell.
        inputs: `x` `(batch, timesteps, features)`, and what the changes read, by leaf
            name; `mask` and `resets` as truth values `(batch, timesteps)`.
        states: first states, each `(batch, size)`.
        weights: the cell's variables.
        run: how.
    """
    beside = dict(inputs)
    x: Any = beside.pop("x")
    for name in {MASK, RESETS} & beside.keys():
        beside[name] = ops.cast(beside[name], x.dtype)
    rest = beside, list(states), dict(weights.arrays)
    if _against_kernels(keras.backend.standardize_dtype(x.dtype)) is not None:
        return _scan(sized, weights.variables, run, x, *rest)
    kernel = partial(_run_kernel, sized, run)
    # It may never run, and would be long to trace if it were written out.
    scan = partial(_scan, sized, weights.variables, replace(run, unroll=False))
    required = _wish() == "require"
    if run.lookup is None:
        return _bridge().by_device(kernel, scan, (x, *rest), required)
    return _bridge().by_device(
        partial(_look_up, sized, run),
        lambda words, vectors, *rest: scan(Lookup(words, vectors).sequences(), *rest),
        (run.lookup.words, run.lookup.vectors, *rest),
        required,
    )


def _without_skipped(x: Any, beside: Mapping[str, Any]) -> Any:
    """The input, zero at skipped steps.

    What they hold must not reach products, nor their gradients.
    """
    if MASK not in beside:
        return x
    counts = ops.expand_dims(beside[MASK] > 0.5, -1)
    return ops.where(counts, x, ops.zeros_like(x))


def _scan(sized, variables, run, x: Any, beside, states, arrays) -> Ran:
    x = _without_skipped(x, beside)
    given = sized, {"x": x, **beside}, states, Weights(variables, arrays), run.changes
    if x.shape[1] and _scans_at_once(sized, run.unroll):
        scanned = scan_at_once(*given, against_time=run.against_time)
    else:
        scanned = scan_cell(*given, against_time=run.against_time, unroll=run.unroll)
    outputs, last, every = scanned
    return Ran(
        outputs[:, -1], outputs if run.sequence else outputs[:, -1:], last, every
    )


def _look_up(sized, run, words, vectors, beside, states, arrays) -> Ran:
    """Run the kernel on words, with what the input's products are for each of them."""
    lookup = Lookup(words, vectors)
    run = replace(run, changes=replace(run.changes, lookup=True))
    index = lookup.index(beside.get(MASK))
    arrays = lookup.projected(sized, arrays, masked=MASK in beside)
    return _call_kernel(sized, run, lookup.count, index, beside, states, arrays)


def _run_kernel(sized, run, x, beside, states, arrays) -> Ran:
    x = _without_skipped(x, beside)
    return _call_kernel(sized, run, x.shape[-1], x, beside, states, arrays)


def _call_kernel(sized, run, features: int, x, beside, states, arrays) -> Ran:
    from refrain.runtime.driver import Request

    request = Request(
        sized,
        features,
        keras.backend.standardize_dtype(x.dtype),
        sequence=run.sequence,
        against_time=run.against_time,
        **vars(run.changes),
    )
    inputs = {"x": x, **beside}
    outputs, last, every = _bridge().recurrent(request, inputs, arrays, states)
    new = [last[name] for name in sized.cell.states]
    if outputs is None:
        output = last.get(HELD, new[0])
        return Ran(output, output[:, None], new, [])
    kept = outputs if run.sequence else outputs[:, -1:]
    return Ran(outputs[:, -1], kept, new, [every[s] for s in every])


def _bridge() -> Any:
    return importlib.import_module(f"refrain.bridge.{keras.backend.backend()}")


def _wish() -> str:
    return os.environ.get("REFRAIN_KERNELS", "")
