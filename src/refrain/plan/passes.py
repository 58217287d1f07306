"""From a cell's graph to its programs: the ordered list of passes. Read this first.

1. `simplify` the equations, with masks and dropout already in them; the driver does
   it, because all others are made for what comes out.
2. `derive_gradient` of a step: `reverse`, `fold_sizes`, `simplify` (training alone).
3. `choose_saved`: what the forward program leaves on the tape.
4. `read_from_weights`: what is computed once, ahead of the loop.
5. `order_levels`: products start a level, what is pointwise joins one.
6. `find_sums`: one accumulator for each sum of products.
7. `idle_values`: what is left of a step that a mask leaves out.
8. `running_totals`: gradients of vectors are summed in the loop; those of matrices are
   gathered into large products after it.
9. `over_tape`: what is gathered later takes the place of what has been read.
10. `Layout`: tiles, packed weights, memory for spilled values.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from refrain.derive.reverse import reverse
from refrain.derive.simplify import simplify
from refrain.graph.graph import OUTPUT, Graph, constant, rewrite
from refrain.graph.node import Node
from refrain.plan.backward import plan_backward
from refrain.plan.layout import TAPE, slots
from refrain.plan.program import (
    CARRY,
    HISTORY,
    Buffer,
    Copy,
    Gathering,
    Place,
    Program,
)
from refrain.plan.sizes import fold_sizes
from refrain.plan.tape import choose_saved
from refrain.plan.task import Task, in_order, lay_out


@dataclass(frozen=True)
class Plan:
    """The programs of a cell; the last two are there for training alone."""

    forward: Program
    backward: Program | None = None
    gathering: Gathering | None = None


def derive_gradient(
    graph: Graph, sizes: Mapping[str, int], every_output: bool
) -> Graph:
    """The gradient of a step, with numbers for the symbolic sizes.

    Args:
        graph: one step, simplified.
        sizes: the numbers.
        every_output: outputs of all steps leave, so that each brings a gradient.
    """
    gradient = fold_sizes(reverse(graph), sizes)
    if not every_output:
        gradient = _without(gradient, f"grad_{OUTPUT}")
    return simplify(gradient)


def make_plan(task: Task) -> Plan:
    """Plan a cell: the forward program, and for training its gradient."""
    shared = {n for name, n in task.graph.leaves.items() if name in task.parts}
    entering, inputs = task.entering()
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
    backward = gathering = None
    if task.gradient is not None:
        # A new state may also be the old one of another; what is read first counts.
        readable = {**after, **entering, **tape}
        free = {node: tape[node] for node in saved}
        backward, gathering = plan_backward(
            task, task.gradient, inputs, shared, readable, history, free
        )
        (history,) = (b for b in backward.inputs if b.name == TAPE)  # may be wider now
    forward = _forward(task, entering, inputs, shared, tape, saved, history)
    return Plan(forward, backward, gathering)


def _forward(
    task: Task,
    entering: Mapping[Node, Place],
    inputs: Sequence[Buffer],
    shared: Collection[Node],
    tape: Mapping[Node, Place],
    saved: Sequence[Node],
    history: Buffer,
) -> Program:
    targets: dict[Node, list[Place]] = {}
    for state in task.states:  # two states may be one value; each has its place
        old_place = tape[task.graph.leaves[f"{state}_prev"]]
        node = task.graph.results[state]
        targets.setdefault(node, []).append(replace(old_place, shift=1))
    for node in saved:
        targets.setdefault(node, []).append(tape[node])
    for node, place in task.leaving().values():
        targets.setdefault(node, []).append(place)
    old = {s: task.graph.leaves[f"{s}_prev"] for s in task.states}
    available = {**entering, **{n: tape[n] for n in old.values()}}
    spilled = {n: tape[n] for n in saved}
    places = available | spilled
    ordered = in_order(task.graph, targets, available, shared)
    layout = lay_out(task, ordered, shared, places)
    return Program(
        f"{task.graph.name} forward",
        task.sizes,
        backward=False,
        inputs=(*inputs, *task.weights(), *task.samples("first_")),
        outputs=(
            *task.sequences(),
            *task.samples("last_"),
            history,
            *layout.buffers(),
        ),
        places=layout.places,
        first=tuple(Copy(f"first_{s}", tape[old[s]]) for s in task.states),
        last=tuple(
            Copy(f"last_{s}", replace(tape[old[s]], shift=1)) for s in task.states
        ),
        ahead=tuple(layout.ahead),
        stages=tuple(layout.stages),
    )


def _without(graph: Graph, leaf_name: str) -> Graph:
    """The graph with zero in place of a leaf that nothing provides."""
    zero = graph.leaves[leaf_name]

    def rule(node: Node, _: tuple[Node, ...]) -> Node | None:
        return constant(0.0) if node is zero else None

    return rewrite(graph, rule)
