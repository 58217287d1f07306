"""A stable text form of a plan, for golden files and for `explain`."""

from __future__ import annotations

from refrain.graph.node import Node
from refrain.graph.ops import OPS
from refrain.plan.passes import Plan
from refrain.plan.program import Buffer, Gathering, Place, Program, Stage


def show(plan: Plan) -> str:
    """What runs when: buffers, stages, and the products after the loop."""
    lines: list[str] = []
    for program in (plan.forward, plan.backward):
        if program is not None:
            lines += _program(program)
    if plan.gathering is not None:
        lines += _gathering(plan.gathering)
    return "\n".join(lines) + "\n"


def _program(program: Program) -> list[str]:
    lines = [f"program {program.name}"]
    for kind, buffers in (("in", program.inputs), ("out", program.outputs)):
        lines += [f"  {kind:4}{_buffer(b)}" for b in buffers]
    lines += [f"  first {_place(c.place)} = {c.sample or 0}" for c in program.first]
    names: dict[Node, str] = {n: _place(p) for n, p in program.places.items()}
    if program.ahead:
        lines.append("  once")
    for index, stage in enumerate(program.ahead):
        lines += _stage(index, stage, names)
    order = "last to first" if program.backward else "first to last"
    lines.append(f"  each step, {order}")
    for index, stage in enumerate(program.stages):
        lines += _stage(index, stage, names)
    lines += [f"  last {c.sample} = {_place(c.place)}" for c in program.last]
    return lines


def _stage(index: int, stage: Stage, places: dict[Node, str]) -> list[str]:
    tile = f"{stage.rows} samples x {stage.vectors} vectors"
    lines = [f"    stage {index}: {stage.width} wide, tile {tile}"]
    lines += _work(stage, places)
    if stage.idle is not None:
        lines += [
            "      idle tile",
            *(f"  {line}" for line in _work(stage.idle, places)),
        ]
    return lines


def _work(stage: Stage, places: dict[Node, str]) -> list[str]:
    lines = [
        f"      {_place(r.result)} = {r.node.op.name}({_place(r.operand)})"
        for r in stage.reductions
    ]
    for loop in stage.loops:
        for term in loop.terms:
            matrix = f"{term.matrix.variable}[{term.matrix.offset}:]"
            matrix += ".T" if term.transposed else ""
            left = _place(loop.lefts[term.left])
            lines.append(f"      a{term.sum_index} += {left} @ {matrix}")
    names = dict(places)
    for k, found in enumerate(stage.sums):
        others = "".join(f" + {_name(o, names)}" for o in found.others)
        names[found.root] = f"s{k}"
        lines.append(f"      s{k} = a{k}{others}")
    for node in stage.body:
        if not node.inputs:
            continue
        operands = ", ".join(_name(i, names) for i in node.inputs)
        names[node] = f"%{sum(n.startswith('%') for n in names.values())}"
        lines.append(f"      {names[node]} = {node.op.name}({operands})")
    stores = [f"      {_place(p)} = {_name(n, names)}" for n, p in stage.stores]
    stores += [
        f"      {_place(p)} = {n.op.name}({_name(n.inputs[0], names)})"
        for n, p in stage.summed
    ]
    return lines + stores


def _gathering(gathering: Gathering) -> list[str]:
    lines = [f"gather {gathering.name}"]
    for kind, buffers in (("in", gathering.inputs), ("out", gathering.outputs)):
        lines += [f"  {kind:4}{_buffer(b)}" for b in buffers]
    for p in gathering.products:
        target = f"grad_{p.part.variable}[{p.part.offset}:]"
        left = _place(p.left)
        if p.scale is not None:
            left = f"({_place(p.scale)} * {left})"
        lines.append(f"  {target} += {left}.T @ {_place(p.right)}")
    for s in gathering.sums:
        target = f"grad_{s.part.variable}[{s.part.offset}:]"
        lines.append(f"  {target} += sum {_place(s.right)}")
    for r in gathering.rows:
        target = f"grad_{r.part.variable}[{r.part.offset}:]"
        lines.append(f"  {target} row {_place(r.index)} += {_place(r.right)}")
    return lines


def _name(node: Node, names: dict[Node, str]) -> str:
    if node.op is OPS["constant"]:
        return f"{node.attribute!r}"
    return names.get(node, node.describe())


def _buffer(buffer: Buffer) -> str:
    order = ", against time" if buffer.against_time else ""
    over = f", over {buffer.over}" if buffer.over else ""
    return f"{buffer.name}: {buffer.kind} {buffer.width}{order}{over}"


def _place(place: Place) -> str:
    when = "'" if place.shift else ""
    return f"{place.buffer}{when}[{place.offset}:{place.offset + place.width}]"
