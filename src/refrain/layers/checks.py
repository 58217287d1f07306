"""What a recurrent layer is given, checked and put in one form before any work."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras import ops, tree

from refrain.cells import Cell, SizedCell
from refrain.errors import CellError, CellShapeError

Shape = Sequence[int | None]


def sized_cell(cell: Any) -> SizedCell:
    """A cell with its number of units, as it is.

    Raises:
        CellError: it is something else.
    """
    if isinstance(cell, SizedCell):
        return cell
    if isinstance(cell, Cell):
        raise CellError(
            f"{cell.name}: expected a number of units, e.g. {cell.name}(128)"
        )
    raise CellError(f"expected a cell with its units, e.g. lstm(128); received {cell}")


def checked_states(
    name: str, cells: Sequence[SizedCell], given: Any, batch: int | None
) -> list[list[Any]]:
    """States, one list a cell.

    Raises:
        CellShapeError: their number or a shape is not what the cells expect.
    """
    states = tree.flatten(given)
    sizes = [size for cell in cells for size in cell.state_size]
    expected = [(batch, size) for size in sizes]
    received = [tuple(state.shape) for state in states]
    if len(received) != len(expected) or not all(map(_fits, received, expected)):
        raise CellShapeError(
            f"{name}: expected states of shape {_listed(expected)}, received "
            f"{_listed(received)}"
        )
    rest = iter(states)
    return [[next(rest) for _ in cell.cell.states] for cell in cells]


def checked_mask(name: str, given: Any, sequences: Any) -> Any | None:
    """The mask as truth values `(batch, timesteps)`, or None.

    A mask of features counts a step where it holds for any of them.

    Raises:
        CellShapeError: it is not as long or as many as the sequences.
    """
    if given is None:
        return None
    mask: Any = ops.cast(tree.flatten(given)[0], "bool")
    if len(mask.shape) == 3:
        mask = ops.any(mask, axis=-1)
    expected = tuple(sequences.shape[:2])
    if not _fits(mask.shape, expected):
        raise CellShapeError(
            f"{name}: expected a mask of shape {expected}, received {tuple(mask.shape)}"
        )
    return mask


def _fits(shape: Shape, expected: Shape) -> bool:
    """Whether they are the same where both are known."""
    return len(shape) == len(expected) and all(
        a == b or None in (a, b) for a, b in zip(shape, expected, strict=True)
    )


def _listed(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(str, shapes)) or "none"
