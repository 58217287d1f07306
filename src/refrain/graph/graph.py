"""Graph: the traced equations of one step, with names for what enters and leaves.

A graph is the form that every later stage reads: the interpreter, the derivation of
gradients, the plan, the Keras scan, the exporters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace

from refrain.graph.node import Node, Origin, Shape, build, building, originating
from refrain.graph.ops import OPS

INPUT, OUTPUT = "x", "output"  # the leaf that a cell reads, the result that leaves it


@dataclass(frozen=True)
class Graph:
    """One step of a cell, or its gradient.

    Attributes:
        name: the cell's name.
        leaves: every value that enters, by name: `x`, `h_prev`, `W.i`, `b.i`.
        results: every value that leaves, by name, in order: `output`, then the
            new states by name; a gradient graph has `grad_<leaf>`.
        moving: names of the leaves that bring another value to each step, states
            apart; all others stay the same over time.
        names: values that the equations name, in their order: `i`, `f`; for people.
    """

    name: str
    leaves: dict[str, Node]
    results: dict[str, Node]
    moving: tuple[str, ...] = ("x",)
    names: dict[str, Node] = field(default_factory=dict)

    def nodes(self) -> list[Node]:
        """All nodes that the results need, operands before their users."""
        return ordered(self.results.values())

    def depending(self, leaves: Collection[str]) -> set[Node]:
        """All nodes whose value depends on one of these leaves."""
        found: set[Node] = set()
        for node in self.nodes():
            if node.attribute in leaves or any(i in found for i in node.inputs):
                found.add(node)
        return found


def leaf(name: str, shape: Shape, origin: Origin | None = None) -> Node:
    """A value from outside the equations; the same name is the same node."""
    if origin is None:
        return build(OPS["leaf"], attribute=name, shape=shape)
    with originating(origin):
        return build(OPS["leaf"], attribute=name, shape=shape)


def constant(value: float) -> Node:
    """A number."""
    return build(OPS["constant"], attribute=float(value))


def ordered(results: Iterable[Node], stop: Collection[Node] = ()) -> list[Node]:
    """Nodes that `results` need, operands first; those behind `stop` are left out."""
    seen: dict[Node, None] = {}
    stack: list[tuple[Node, Iterator[Node]]] = []
    for result in results:
        stack.append((result, iter(() if result in stop else result.inputs)))
        while stack:
            node, operands = stack[-1]
            pending = next((o for o in operands if o not in seen), None)
            if pending is not None:
                behind = () if pending in stop else pending.inputs
                stack.append((pending, iter(behind)))
                continue
            seen.setdefault(node)
            stack.pop()
    return list(seen)


Rule = Callable[[Node, tuple[Node, ...]], Node | None]


def rewrite(graph: Graph, rule: Rule) -> Graph:
    """Rebuild a graph bottom-up.

    `rule(node, operands)` returns the replacement of `node`, whose rebuilt operands
    are given, or None to keep it. What nothing changes stays the same object;
    replacements carry the line of what they replace.
    """
    new: dict[Node, Node] = {}
    with building((*graph.leaves.values(), *graph.nodes())):
        for node in [*graph.leaves.values(), *graph.nodes()]:
            if node in new:
                continue
            operands = tuple(new[i] for i in node.inputs)
            with originating(node.origin):
                made = rule(node, operands)
                if made is None:
                    made = build(
                        node.op, *operands, attribute=node.attribute, shape=node.shape
                    )
            new[node] = made
    results = {name: new[node] for name, node in graph.results.items()}
    found = {n.attribute: n for n in ordered(results.values()) if n.op is OPS["leaf"]}
    kept = {str(name): found.get(name, new[n]) for name, n in graph.leaves.items()}
    leaves = {**kept, **{str(k): v for k, v in found.items()}}
    names = {name: new[node] for name, node in graph.names.items() if node in new}
    return replace(graph, leaves=leaves, results=results, names=names)
