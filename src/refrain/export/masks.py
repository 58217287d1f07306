"""Masks for ONNX's recurrent nodes, which know lengths alone.

The steps that count are moved to the front, and the outputs back to where they were.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from refrain.export.writer import INT32, INT64, Name, Writer


@dataclass(frozen=True)
class Mask:
    """Which steps count.

    Attributes:
        counts: `(batch, timesteps)` of truth values.
        leading: those that count come first.
    """

    counts: Name
    leading: bool = False


@dataclass(frozen=True)
class Packed:
    """A sequence whose steps that count come first, and how many these are."""

    x: Name
    lengths: Name


def pack(w: Writer, x: Name, mask: Mask) -> Packed:
    """Move the steps that count to the front.

    Args:
        w: where to write.
        x: `(batch, timesteps, features)`.
        mask: which steps count.
    """
    numbers = w.add("Cast", mask.counts, to=INT64)
    total = w.add("ReduceSum", numbers, w.integers(1), keepdims=0)
    lengths = w.add("Cast", total, to=INT32)
    if mask.leading:
        return Packed(x, lengths)
    count = w.add("Shape", x, start=1, end=2)
    steps = _steps(w, count)
    late = w.add("Add", steps, count)
    order = w.add("Where", mask.counts, steps, late)
    _, indices = w.add("TopK", order, count, count=2, axis=1, largest=0)
    return Packed(_take(w, x, indices), lengths)


def unpack(
    w: Writer,
    outputs: Name,
    mask: Mask,
    against_time: bool,
    zero_output: bool,
    before: Name | None,
) -> Name:
    """Move outputs to the steps that they are of, and fill in those of skipped steps.

    Args:
        w: where to write.
        outputs: `(batch, timesteps, units)`, those of steps that count first.
        mask: which steps count.
        against_time: the sequence was read from its end.
        zero_output: outputs of skipped steps are zero, not those of the step before.
        before: `(batch, units)`, the output before the first step, or zero.
    """
    numbers = w.add("Cast", mask.counts, to=INT64)
    so_far = w.add("CumSum", numbers, w.constant(np.int64(1), "axis"))
    if against_time:  # the step before is the next one that counts
        index = w.add("Sub", so_far, numbers)
        total = w.add("ReduceSum", numbers, w.integers(1), keepdims=1)
        there = w.add("Less", index, total)
        index = w.add("Mul", index, w.add("Cast", there, to=INT64))
    else:
        index = w.add("Sub", so_far, w.integers(1))
        there = w.add("Greater", so_far, w.integers(0))
        index = w.add("Max", index, w.integers(0))
    if zero_output:
        there = mask.counts
    taken = _take(w, outputs, index)
    if before is None or zero_output:
        instead = w.number(0.0)
    else:
        instead = w.add("Unsqueeze", before, w.integers(1))
    there = w.add("Unsqueeze", there, w.integers(-1))
    return w.add("Where", there, taken, instead)


def leading_mask(w: Writer, lengths: Name, x: Name) -> Mask:
    """The mask of sequences that end after some steps.

    Args:
        w: where to write.
        lengths: `(batch,)`.
        x: `(batch, timesteps, ...)`.
    """
    steps = _steps(w, w.add("Shape", x, start=1, end=2))
    ends = w.add("Unsqueeze", w.add("Cast", lengths, to=INT64), w.integers(1))
    return Mask(w.add("Less", steps, ends), leading=True)


def _steps(w: Writer, count: Name) -> Name:
    """0, 1, 2, ...: the number of each step."""
    zero, one = (w.constant(np.int64(k), "index") for k in (0, 1))
    return w.add("Range", zero, w.add("Squeeze", count), one)


def _take(w: Writer, sequence: Name, indices: Name) -> Name:
    """Steps of a sequence by their numbers, `(batch, timesteps)`."""
    wide = w.add("Unsqueeze", indices, w.integers(-1))
    wide = w.add("Expand", wide, w.add("Shape", sequence))
    return w.add("GatherElements", sequence, wide, axis=1)
