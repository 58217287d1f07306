"""What is to be planned, and what both directions of a cell ask of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from refrain.graph.changes import EVERY
from refrain.graph.graph import OUTPUT, Graph
from refrain.graph.node import Node
from refrain.plan.ahead import read_from_weights
from refrain.plan.idle import guarded_values, idle_values
from refrain.plan.layout import Layout, Machine
from refrain.plan.program import (
    SAMPLE,
    SEQUENCE,
    SHARED,
    Buffer,
    Part,
    Place,
)
from refrain.plan.stages import Level, order_levels


@dataclass(frozen=True)
class Task:
    """What is to be planned.

    Attributes:
        graph: one step, simplified, with dropout and masks in it.
        gradient: its gradient on the same nodes; None to plan inference alone.
        states: names of the states; `held` among them where the graph carries the
            output of the step before.
        sizes: numbers for the symbolic sizes.
        parts: where each weight leaf lies in the user's variables.
        variables: number of elements of each variable, in order.
        sequence: every output leaves the kernel, not the last states alone; so do the
            states of all steps where the graph has them as results.
        against_time: the input is read from its last step to its first.
        machine: lanes, registers, samples a thread.
        together: names of inputs that lie side by side in one buffer, `x`.
    """

    graph: Graph
    gradient: Graph | None
    states: tuple[str, ...]
    sizes: Mapping[str, int]
    parts: Mapping[str, Part]
    variables: Mapping[str, int]
    sequence: bool
    against_time: bool
    machine: Machine
    together: tuple[str, ...] = ()

    def entering(self) -> tuple[dict[Node, Place], tuple[Buffer, ...]]:
        """Values of a sample that come from outside: the input, masks, drawn values."""
        places: dict[Node, Place] = {}
        buffers: list[Buffer] = []
        states = {f"{s}_prev" for s in self.states}
        wide = 0
        for name, node in self.graph.leaves.items():
            if name in self.parts or name in states:
                continue
            width = self.sizes[node.shape[0]] if node.shape else 1
            if name in self.together:
                places[node] = Place("x", wide, width)
                wide += width
                continue
            moves = name in self.graph.moving
            kind = SEQUENCE if moves else SAMPLE
            buffers.append(Buffer(name, kind, width, self.against_time and moves))
            places[node] = Place(name, 0, width)
        if wide:
            buffers.append(Buffer("x", SEQUENCE, wide, self.against_time))
        return places, tuple(buffers)

    def weights(self) -> tuple[Buffer, ...]:
        """A buffer for each variable."""
        return tuple(
            Buffer(name, SHARED, size) for name, size in self.variables.items()
        )

    def samples(self, prefix: str) -> tuple[Buffer, ...]:
        """A buffer for each state, of one moment."""
        return tuple(
            Buffer(f"{prefix}{s}", SAMPLE, self.sizes[self.graph.results[s].shape[0]])
            for s in self.states
        )

    def grad_x(self) -> tuple[Buffer, ...]:
        """A buffer for the gradient of the input; none for an index, which has none."""
        if not self.graph.leaves["x"].shape:
            return ()
        width = self.sizes["features"]
        return (Buffer("grad_x", SEQUENCE, width, self.against_time),)

    def leaving(self) -> dict[str, tuple[Node, Place]]:
        """What leaves at each step by name of its result: the output is called `y`."""
        found: dict[str, tuple[Node, Place]] = {}
        for name, node in self.graph.results.items():
            if self.sequence and (name == OUTPUT or name.startswith(EVERY)):
                buffer = "y" if name == OUTPUT else name
                found[name] = node, Place(buffer, 0, self.sizes[node.shape[0]])
        return found

    def sequences(self, prefix: str = "") -> tuple[Buffer, ...]:
        """A buffer for each result that leaves, of all steps."""
        return tuple(
            Buffer(f"{prefix}{place.buffer}", SEQUENCE, place.width)
            for _, place in self.leaving().values()
        )


class Ordered(NamedTuple):
    """A step in the order in which it runs.

    Attributes:
        ahead: what is computed of weights alone, before the step.
        levels: the step.
        idle: what it stores where a mask leaves it out.
        guarded: what it stores in a tile of samples of which some may be left out.
    """

    ahead: list[Node]
    levels: list[Level]
    idle: Mapping[Node, Node]
    guarded: Mapping[Node, Node]


def in_order(
    graph: Graph,
    targets: Mapping[Node, Sequence[Place]],
    available: Collection[Node],
    shared: Collection[Node],
) -> Ordered:
    """Order a step; see `refrain.plan.stages.order_levels`."""
    ahead = read_from_weights(targets, {*available, *shared}, shared)
    levels = order_levels(targets, {*available, *ahead}, shared)
    stored = {node for level in levels for node in (*level.stores, *level.spills)}
    idle = idle_values(graph, stored)
    return Ordered(ahead, levels, idle, guarded_values(graph, idle))


def lay_out(
    task: Task,
    ordered: Ordered,
    shared: Collection[Node],
    places: Mapping[Node, Place],
) -> Layout:
    """A step as stages, with all that they need in memory besides known places."""
    values = dict(places), ordered.idle, ordered.guarded
    layout = Layout(task.sizes, task.parts, task.machine, *values)
    layout.fix(ordered.ahead, shared)
    for level in ordered.levels:
        layout.add(level)
    return layout
