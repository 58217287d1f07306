"""From a cell's graph to its programs: the ordered list of passes. Read this first.

1. `simplify` the equations, with masks and dropout already in them.
2. `reverse`: derive the gradient of a step (training alone).
3. `choose_saved`: what the forward program leaves on the tape.
4. `read_from_weights`: what is computed once, ahead of the loop.
5. `order_levels`: products start a level, what is pointwise joins one.
6. `find_sums`: one accumulator for each sum of products.
7. `idle_values`: what is left of a step that a mask leaves out.
8. `Layout`: tiles, packed weights, memory for spilled values.
9. `running_totals`: gradients of vectors are summed in the loop; those of matrices are
   gathered into large products after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from refrain.graph.changes import EVERY
from refrain.graph.graph import Graph, constant, rewrite
from refrain.graph.masking import MASK, OUTPUT
from refrain.graph.node import Node
from refrain.plan.ahead import read_from_weights
from refrain.plan.gather import as_wide, weight_gradients
from refrain.plan.idle import idle_values, is_zero
from refrain.plan.layout import TAPE, Layout, Machine, slots
from refrain.plan.program import (
    CARRY,
    HISTORY,
    SAMPLE,
    SEQUENCE,
    SHARED,
    Buffer,
    Copy,
    Gathering,
    Part,
    Place,
    Program,
    WeightProduct,
    WeightSum,
)
from refrain.plan.stages import order_levels
from refrain.plan.tape import choose_saved
from refrain.plan.totals import running_totals


@dataclass(frozen=True)
class Task:
    """What is to be planned.

    Attributes:
        graph: one step, simplified, with dropout and masks in it.
        gradient: its gradient on the same nodes; None to plan inference alone.
        states: names of the states; `output` among them where the graph carries it.
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


@dataclass(frozen=True)
class Plan:
    """The programs of a cell; the last two are there for training alone."""

    forward: Program
    backward: Program | None = None
    gathering: Gathering | None = None


def make_plan(task: Task) -> Plan:
    """Plan a cell: the forward program, and for training its gradient."""
    shared = {n for name, n in task.graph.leaves.items() if name in task.parts}
    entering, inputs = _entering(task)
    old = {s: task.graph.leaves[f"{s}_prev"] for s in task.states}
    new = {s: task.graph.results[s] for s in task.states}
    saved: list[Node] = []
    if task.gradient is not None:
        saved = choose_saved(task.graph, task.gradient, task.states, shared)
    kept = list(dict.fromkeys([*old.values(), *saved]))
    tape, width = slots(kept, task.sizes, task.machine, TAPE)
    kind = CARRY if task.gradient is None else HISTORY
    history = Buffer(TAPE, kind, width)
    after = {new[s]: replace(tape[old[s]], shift=1) for s in task.states}

    forward = _forward(task, entering, inputs, shared, tape, after, history, saved)
    if task.gradient is None:
        return Plan(forward)
    # A new state may also be the old one of another; what is read first counts.
    readable = {**after, **entering, **tape}
    return Plan(forward, *_backward(task, inputs, shared, readable, history))


def _entering(task: Task) -> tuple[dict[Node, Place], tuple[Buffer, ...]]:
    """Values of a sample that come from outside: the input, masks, drawn values."""
    places: dict[Node, Place] = {}
    buffers: list[Buffer] = []
    states = {f"{s}_prev" for s in task.states}
    wide = 0
    for name, node in task.graph.leaves.items():
        if name in task.parts or name in states:
            continue
        width = task.sizes[node.shape[0]] if node.shape else 1
        if name in task.together:
            places[node] = Place("x", wide, width)
            wide += width
            continue
        moves = name in task.graph.moving
        kind = SEQUENCE if moves else SAMPLE
        buffers.append(Buffer(name, kind, width, task.against_time and moves))
        places[node] = Place(name, 0, width)
    if wide:
        buffers.append(Buffer("x", SEQUENCE, wide, task.against_time))
    return places, tuple(buffers)


def _variables(task: Task) -> tuple[Buffer, ...]:
    return tuple(Buffer(name, SHARED, size) for name, size in task.variables.items())


def _samples(task: Task, prefix: str) -> tuple[Buffer, ...]:
    return tuple(
        Buffer(f"{prefix}{s}", SAMPLE, task.sizes[task.graph.results[s].shape[0]])
        for s in task.states
    )


def _leaving(task: Task) -> dict[str, tuple[Node, Place]]:
    """What leaves at each step by name of its result: the output is called `y`."""
    found: dict[str, tuple[Node, Place]] = {}
    for name, node in task.graph.results.items():
        if task.sequence and (name == OUTPUT or name.startswith(EVERY)):
            buffer = "y" if name == OUTPUT else name
            found[name] = node, Place(buffer, 0, task.sizes[node.shape[0]])
    return found


def _sequences(prefix: str, leaving) -> tuple[Buffer, ...]:
    return tuple(
        Buffer(f"{prefix}{place.buffer}", SEQUENCE, place.width)
        for _, place in leaving.values()
    )


def _forward(task, entering, inputs, shared, tape, after, history, saved) -> Program:
    targets: dict[Node, list[Place]] = {}
    for state in task.states:  # two states may be one value; each has its place
        old_place = tape[task.graph.leaves[f"{state}_prev"]]
        node = task.graph.results[state]
        targets.setdefault(node, []).append(replace(old_place, shift=1))
    for node in saved:
        targets.setdefault(node, []).append(tape[node])
    leaving = _leaving(task)
    for node, place in leaving.values():
        targets.setdefault(node, []).append(place)
    sequences = _sequences("", leaving)
    old = {s: task.graph.leaves[f"{s}_prev"] for s in task.states}
    available = entering | {n: tape[n] for n in old.values()}
    spilled = {n: tape[n] for n in saved}
    places = available | spilled
    layout = _lay_out(task, task.graph, targets, available, shared, places)
    return Program(
        f"{task.graph.name} forward",
        task.sizes,
        backward=False,
        inputs=(*inputs, *_variables(task), *_samples(task, "first_")),
        outputs=(
            *sequences,
            *_samples(task, "last_"),
            history,
            *layout.buffers(),
        ),
        places=layout.places,
        first=tuple(Copy(f"first_{s}", tape[old[s]]) for s in task.states),
        last=tuple(
            Copy(f"last_{s}", after[task.graph.results[s]]) for s in task.states
        ),
        ahead=tuple(layout.ahead),
        stages=tuple(layout.stages),
    )


def _backward(task, inputs, shared, readable, history) -> tuple[Program, Gathering]:
    """The gradient's program, and what gathers weight gradients from its streams."""
    products, sums = weight_gradients(task.gradient, task.parts)
    rights = [outer.right for outer, _ in products]
    # The left of a transposed matrix is a gradient, which no one has stored.
    lefts = [outer.left for outer, _ in products if outer.left not in readable]
    used = dict.fromkeys([*rights, *lefts])
    summed = dict.fromkeys(node for node, _ in sums if node not in used)
    totals = running_totals(task.gradient, summed, task.sizes, task.machine)
    used |= dict.fromkeys(node for node in summed if node not in totals.places)
    streams, width = slots(list(used), task.sizes, task.machine, "streams")
    left_of = {**streams, **readable}
    stream = Buffer("streams", SEQUENCE, width)
    work = tuple(
        WeightProduct(
            left_of[outer.left],
            streams[outer.right],
            part,
            None if outer.scale is None else readable[outer.scale],
        )
        for outer, part in products
    )
    places = [place for w in work for place in (w.left, w.scale) if place]
    named = {place.buffer for place in places}
    if all(map(is_zero, idle_values(task.gradient, streams).values())):
        named.add(MASK)  # what skipped steps bring is zero: they may be passed over
    summands = {**streams, **totals.places}
    gathering = Gathering(
        f"{task.graph.name} weights",
        inputs=(
            stream,
            history,
            *totals.buffers,
            *(b for b in inputs if b.name in named),
        ),
        outputs=tuple(replace(b, name=f"grad_{b.name}") for b in _variables(task)),
        products=work,
        sums=tuple(WeightSum(summands[node], part) for node, part in sums),
    )
    program = _gradient_program(
        task, inputs, shared, readable, history, streams, stream, totals
    )
    return program, gathering


def _gradient_program(
    task, inputs, shared, readable, history, streams, stream, totals
) -> Program:
    gradient, features = task.gradient, task.sizes["features"]
    carried = {s: gradient.leaves[f"grad_{s}"] for s in task.states}
    carry, width = slots(list(carried.values()), task.sizes, task.machine, "carry")
    stores = {**streams, **totals.after}
    targets: dict[Node, list[Place]] = {node: [p] for node, p in stores.items()}
    stored = {f"grad_{s}_prev": carry[carried[s]] for s in task.states}
    stored["grad_x"] = Place("grad_x", 0, features)
    for name, place in stored.items():
        node = as_wide(gradient.results[name], gradient.leaves[name[len("grad_") :]])
        targets.setdefault(node, []).append(place)
    available = readable | {n: replace(p, shift=1) for n, p in carry.items()}
    available |= totals.before
    leaving = _leaving(task)
    for name, (_, place) in leaving.items():
        node = gradient.leaves[f"grad_{name}"]
        available[node] = replace(place, buffer=f"grad_{place.buffer}")
    arriving = (*_sequences("grad_", leaving), *_samples(task, "grad_last_"))
    # A stream may hold what is there already, and is read where it is there.
    layout = _lay_out(task, gradient, targets, available, shared, streams | available)
    enter = [(s, replace(carry[carried[s]], shift=1)) for s in task.states]
    return Program(
        f"{task.graph.name} backward",
        task.sizes,
        backward=True,
        inputs=(*inputs, *_variables(task), history, *arriving),
        outputs=(
            Buffer("grad_x", SEQUENCE, features, task.against_time),
            *_samples(task, "grad_first_"),
            stream,
            *totals.buffers,
            Buffer("carry", CARRY, width),
            *layout.buffers(),
        ),
        places=layout.places,
        first=(
            *(Copy(f"grad_last_{s}", place) for s, place in enter),
            *(Copy(None, Place(b.name, 0, b.width)) for b in totals.buffers),
        ),
        last=tuple(Copy(f"grad_first_{s}", carry[carried[s]]) for s in task.states),
        ahead=tuple(layout.ahead),
        stages=tuple(layout.stages),
    )


def _lay_out(task, graph, targets, available, shared, places) -> Layout:
    fixed = read_from_weights(targets, {*available, *shared}, shared)
    levels = order_levels(targets, {*available, *fixed}, shared)
    stored = {node for level in levels for node in (*level.stores, *level.spills)}
    idle = idle_values(graph, stored)
    layout = Layout(task.sizes, task.parts, task.machine, dict(places), idle)
    layout.fix(fixed, shared)
    for level in levels:
        layout.add(level)
    return layout


def without(graph: Graph, leaf_name: str) -> Graph:
    """The graph with zero in place of a leaf that nothing provides."""
    zero = graph.leaves[leaf_name]

    def rule(node: Node, _: tuple[Node, ...]) -> Node | None:
        return constant(0.0) if node is zero else None

    return rewrite(graph, rule)
