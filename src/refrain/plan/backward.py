"""The gradient of a step over time, and how weight gradients are gathered from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from refrain.graph.graph import Graph
from refrain.graph.masking import MASK
from refrain.graph.node import Node
from refrain.plan.gather import Summands, as_wide, weight_gradients
from refrain.plan.idle import idle_values, is_zero
from refrain.plan.layout import TAPE, Layout, slots
from refrain.plan.program import (
    CARRY,
    SEQUENCE,
    Buffer,
    Copy,
    Gathering,
    Place,
    Program,
    WeightProduct,
    WeightRows,
    WeightSum,
)
from refrain.plan.reuse import over_tape
from refrain.plan.stages import Level
from refrain.plan.task import Task, in_order, lay_out
from refrain.plan.totals import Totals, running_totals

STREAMS = "streams"


def plan_backward(
    task: Task,
    gradient: Graph,
    inputs: Sequence[Buffer],
    shared: Collection[Node],
    readable: Mapping[Node, Place],
    history: Buffer,
    saved: Mapping[Node, Place],
) -> tuple[Program, Gathering]:
    """The gradient's program, and what gathers weight gradients from its streams.

    Args:
        task: what is planned.
        gradient: its gradient.
        inputs: buffers of what comes from outside.
        shared: leaves that are weights.
        readable: places of what lies in memory after the forward program.
        history: the tape.
        saved: what of it a step of the gradient is the last to read.
    """
    summands = weight_gradients(gradient, task.parts)
    products, sums = summands.products, summands.vectors
    rights = [outer.right for outer, _ in products]
    rights += [row for _, row, _ in summands.rows]
    # The left of a transposed matrix is a gradient, which no one has stored.
    lefts = [outer.left for outer, _ in products if outer.left not in readable]
    used = dict.fromkeys([*rights, *lefts])
    summed = dict.fromkeys(node for node, _ in sums if node not in used)
    totals = running_totals(gradient, summed, task.sizes, task.machine)
    used |= dict.fromkeys(node for node in summed if node not in totals.places)
    gathered = {part for outer, _ in products for part in (outer.left, outer.scale)}
    free = {node: place for node, place in saved.items() if node not in gathered}
    step = _GradientStep(task, gradient, readable, totals)
    streams, width = slots(list(used), task.sizes, task.machine, STREAMS)
    stream = Buffer(STREAMS, SEQUENCE, width)
    ordered = in_order(gradient, step.targets(streams), step.available, shared)
    if over := over_tape(ordered.levels, ordered.idle, streams, free):
        over, history = _beside(task, streams, over, history)
        moved = {streams[node]: place for node, place in over.items()}
        ordered = ordered._replace(levels=_moved(ordered.levels, moved))
        streams, stream = over, replace(history, name=STREAMS, over=TAPE)
    # A stream may hold what is there already, and is read where it is there; a weight,
    # where it is trained.
    own = {node: place for node, place in streams.items() if node not in shared}
    layout = lay_out(task, ordered, shared, {**own, **step.available})
    program = _gradient_program(step, inputs, history, stream, layout)
    found = {**totals.places, **streams}
    buffers = (stream, history, *totals.buffers)
    return program, _gathering(step, summands, inputs, readable, found, buffers)


def _gathering(
    step: _GradientStep,
    summands: Summands,
    inputs: Sequence[Buffer],
    readable: Mapping[Node, Place],
    found: Mapping[Node, Place],
    buffers: Sequence[Buffer],
) -> Gathering:
    """What is done after the loop with values that lie in the places found."""
    task = step.task
    left_of = {**found, **readable}
    work = tuple(
        WeightProduct(
            left_of[outer.left],
            found[outer.right],
            part,
            None if outer.scale is None else readable[outer.scale],
        )
        for outer, part in summands.products
    )
    places = [place for w in work for place in (w.left, w.scale) if place]
    named = {"x", *(place.buffer for place in places)}
    if all(map(is_zero, idle_values(step.gradient, found).values())):
        named.add(MASK)  # what skipped steps bring is zero: they may be passed over
    needed = (b for b in inputs if b.name in named)
    return Gathering(
        f"{task.graph.name} weights",
        # x comes first: it tells how many samples and steps there are.
        inputs=(*needed, *buffers),
        outputs=tuple(replace(b, name=f"grad_{b.name}") for b in task.weights()),
        products=work,
        sums=tuple(WeightSum(found[node], part) for node, part in summands.vectors),
        rows=tuple(
            WeightRows(readable[index], found[row], part)
            for index, row, part in summands.rows
        ),
    )


class _GradientStep:
    """What a step of the gradient reads and stores, its streams left aside.

    Attributes:
        task: what is planned.
        gradient: its gradient.
        totals: sums that it keeps.
        carry, width: places of the gradients of states, and the width of their buffer.
        available: places of all that it reads.
    """

    def __init__(
        self,
        task: Task,
        gradient: Graph,
        readable: Mapping[Node, Place],
        totals: Totals,
    ):
        self.task, self.gradient, self.totals = task, gradient, totals
        leaves = gradient.leaves
        states = {s: leaves[f"grad_{s}"] for s in task.states}
        places, self.width = slots([*states.values()], task.sizes, task.machine, CARRY)
        self.carry = {state: places[node] for state, node in states.items()}
        arrived = {node: replace(p, shift=1) for node, p in places.items()}
        self.available = {**readable, **arrived, **totals.before}
        for name, (_, place) in task.leaving().items():
            arriving = replace(place, buffer=f"grad_{place.buffer}")
            self.available[leaves[f"grad_{name}"]] = arriving

    def targets(self, streams: Mapping[Node, Place]) -> dict[Node, list[Place]]:
        """What it stores, and where."""
        gradient, stores = self.gradient, {**streams, **self.totals.after}
        found: dict[Node, list[Place]] = {node: [p] for node, p in stores.items()}
        stored = {f"{state}_prev": place for state, place in self.carry.items()}
        for buffer in self.task.grad_x():
            stored["x"] = Place(buffer.name, 0, buffer.width)
        for name, place in stored.items():
            node = as_wide(gradient.results[f"grad_{name}"], gradient.leaves[name])
            found.setdefault(node, []).append(place)
        return found


def _beside(
    task: Task, streams: Mapping[Node, Place], over: Mapping[Node, Place], tape: Buffer
) -> tuple[dict[Node, Place], Buffer]:
    """Places of all streams, and a tape with room for those that lie over nothing."""
    rest = [node for node in streams if node not in over]
    if not rest:
        return dict(over), tape
    beside, width = slots(rest, task.sizes, task.machine, STREAMS, tape.width)
    return {**over, **beside}, replace(tape, width=width)


def _moved(levels: Sequence[Level], moved: Mapping[Place, Place]) -> list[Level]:
    """Levels that store in other places."""
    stores = [
        {node: [moved.get(p, p) for p in places] for node, places in lv.stores.items()}
        for lv in levels
    ]
    return [replace(lv, stores=s) for lv, s in zip(levels, stores, strict=True)]


def _gradient_program(
    step: _GradientStep,
    inputs: Sequence[Buffer],
    history: Buffer,
    stream: Buffer,
    layout: Layout,
) -> Program:
    task, totals, carry = step.task, step.totals, step.carry
    arriving = (*task.sequences("grad_"), *task.samples("grad_last_"))
    return Program(
        f"{task.graph.name} backward",
        task.sizes,
        backward=True,
        inputs=(*inputs, *task.weights(), history, *arriving),
        outputs=(
            *task.grad_x(),
            *task.samples("grad_first_"),
            stream,
            *totals.buffers,
            Buffer(CARRY, CARRY, step.width),
            *layout.buffers(),
        ),
        places=layout.places,
        first=(
            *(Copy(f"grad_last_{s}", replace(p, shift=1)) for s, p in carry.items()),
            *(Copy(None, Place(b.name, 0, b.width)) for b in totals.buffers),
        ),
        last=tuple(Copy(f"grad_first_{s}", place) for s, place in carry.items()),
        ahead=tuple(layout.ahead),
        stages=tuple(layout.stages),
    )
