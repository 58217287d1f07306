"""Gradients that take the place of what they were computed from.

A value that the forward program leaves on the tape is free once the backward step has
read it. What is gathered after the loop goes there: a third less memory, and lines that
are in the nearest cache already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from refrain.graph.graph import ordered
from refrain.graph.node import Node
from refrain.plan.program import Place
from refrain.plan.stages import Level


def over_tape(
    levels: Sequence[Level],
    idle: Mapping[Node, Node],
    values: Mapping[Node, Place],
    saved: Mapping[Node, Place],
) -> dict[Node, Place]:
    """Places where saved values lay, for as many other values as find one.

    Args:
        levels: of the backward step, in order.
        idle: what they store where a mask leaves the step out.
        values: what they store and is read after the loop; places of their own for it.
        saved: places of what is free after the step: no states, nothing read later.
    """
    free = dict(saved)
    found: dict[Node, Place] = {}
    for value, own in values.items():
        (number,) = (k for k, level in enumerate(levels) if value in level.stores)
        for node, place in free.items():
            if place.width == own.width and _is_free(node, number, levels, idle):
                found[value] = replace(own, offset=place.offset)
                del free[node]
                break
    return found


def _is_free(
    node: Node, number: int, levels: Sequence[Level], idle: Mapping[Node, Node]
) -> bool:
    """Whether a level may store something in place of a saved value.

    Levels after it do not read the value. It may itself, unit by unit; but one with
    products computes some samples twice, and would find it gone.
    """
    level = levels[number]
    later = levels[number + 1 :]
    if any(node in (*lv.read_whole(), *_by_unit(lv, idle)) for lv in later):
        return False
    if node in level.read_whole():
        return False
    return not (level.sums and node in _by_unit(level, idle))


def _by_unit(level: Level, idle: Mapping[Node, Node]) -> Iterator[Node]:
    """Values that a level reads unit by unit, where a mask leaves out the step, too."""
    leaving = [*level.stores, *level.spills]
    yield from leaving
    yield from level.read_by_unit()
    yield from (node.inputs[0] for node in level.summed)
    yield from ordered([idle[node] for node in leaving if node in idle])
