"""Which path runs a cell over a sequence, and why: a native kernel, or the scan.

The kernel runs wherever the backend has a bridge that serves the device and the
dtype. `REFRAIN_KERNELS=off` forbids it, `REFRAIN_KERNELS=require` makes an error of
every other path.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import keras
from keras import ops

from refrain.cells import SizedCell
from refrain.errors import KernelError
from refrain.graph.masking import HELD, MASK
from refrain.layers.scan import Weights, scan_cell

KERNEL, SCAN = "kernel", "scan"


@dataclass(frozen=True)
class Run:
    """How a layer runs its cell.

    Attributes:
        sequence: the outputs of all steps are wanted.
        against_time: from the last step to the first.
        zero_output_for_mask: a skipped step puts out zero.
        unroll: the scan writes its loop out.
    """

    sequence: bool
    against_time: bool
    zero_output_for_mask: bool
    unroll: bool


def choose_path(dtype: str) -> tuple[str, str]:
    """The path for cells whose equations are known, and why."""
    wish = _wish()
    if wish not in ("", "off", "require"):
        raise KernelError(
            f"REFRAIN_KERNELS: expected off or require, received {wish!r}"
        )
    if wish == "off":
        return SCAN, "REFRAIN_KERNELS=off"
    backend = keras.backend.backend()
    if importlib.util.find_spec(f"refrain.bridge.{backend}") is None:
        reason = f"there is no bridge to {backend} yet"
    else:
        reason = _bridge().serves(dtype)
    if reason is None:
        return KERNEL, f"{backend} on cpu in {dtype}"
    require_kernels(reason)
    return SCAN, reason


def require_kernels(reason: str) -> None:
    """Raise if the user wants kernels and nothing else."""
    if _wish() == "require":
        raise KernelError(f"REFRAIN_KERNELS=require, but {reason}")


def run_cell(
    sized: SizedCell,
    x: Any,
    states: Sequence[Any],
    weights: Weights,
    mask: Any | None,
    dropout: Mapping[str, Any],
    run: Run,
) -> tuple[Any, Any, list[Any]]:
    """Run a cell over `x`, `(batch, timesteps, features)`, on the path that fits.

    Returns:
        The last output, all outputs (or the last as the only one, where the others
        are not wanted), and the last states.
    """
    if mask is not None:
        # What a skipped step holds must not reach products, nor their gradients.
        x = ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x))
    path, _ = choose_path(keras.backend.standardize_dtype(x.dtype))
    arrays = x, list(states), dict(weights.arrays), mask, dict(dropout)
    if path == SCAN:
        return _scan(sized, weights.variables, run, *arrays)
    return _bridge().by_device(
        partial(_run_kernel, sized, run),
        # It may never run, and would be long to trace if it were written out.
        partial(_scan, sized, weights.variables, replace(run, unroll=False)),
        arrays,
        required=_wish() == "require",
    )


def _scan(sized, variables, run, x, states, arrays, mask, dropout):
    if run.against_time:
        x = ops.flip(x, axis=1)
        mask = ops.flip(mask, axis=1) if mask is not None else None
    outputs, last = scan_cell(
        sized,
        x,
        states,
        Weights(variables, arrays),
        mask=mask,
        dropout=dropout,
        zero_output_for_mask=run.zero_output_for_mask,
        unroll=run.unroll,
    )
    return outputs[:, -1], outputs if run.sequence else outputs[:, -1:], last


def _run_kernel(sized, run, x, states, arrays, mask, dropout):
    from refrain.runtime.driver import Request

    inputs = {"x": x, **dropout}
    masking = None
    if mask is not None:
        inputs[MASK] = ops.cast(mask, x.dtype)
        masking = "zero" if run.zero_output_for_mask else "hold"
    request = Request(
        sized,
        x.shape[-1],
        keras.backend.standardize_dtype(x.dtype),
        sequence=run.sequence,
        against_time=run.against_time,
        mask=masking,
        dropout=tuple(sorted(dropout)),
    )
    outputs, last = _bridge().recurrent(request, inputs, arrays, states)
    new = [last[name] for name in sized.cell.states]
    if outputs is not None:
        return outputs[:, -1], outputs, new
    output = last.get(HELD, new[0])
    return output, output[:, None], new


def _bridge() -> Any:
    return importlib.import_module(f"refrain.bridge.{keras.backend.backend()}")


def _wish() -> str:
    return os.environ.get("REFRAIN_KERNELS", "")
