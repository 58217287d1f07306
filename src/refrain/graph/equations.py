"""A graph as equations again: one for each value that has a name, in source order.

What a function of `functions.py` made of primitives is found and called by its name,
weights that an option leaves out vanish, and a value that is used twice without having
a name is called `a1`, `a2`. The names are those of the source.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import ClassVar

from refrain.graph.functions import ACTIVATIONS, standardised
from refrain.graph.graph import OUTPUT, Graph, rewrite
from refrain.graph.node import REAL, Node, building
from refrain.graph.ops import OPS
from refrain.graph.show import INFIX

Call = tuple[str, tuple[Node, ...]]  # a function's name and what it is applied to


@dataclass(frozen=True)
class Equations:
    """Named values of one step.

    Attributes:
        lines: name and value, in an order in which they can be computed.
        names: the name of each such value.
        calls: values that a function of the language makes of several primitives.
    """

    lines: tuple[tuple[str, Node], ...]
    names: dict[Node, str]
    calls: dict[Node, Call]


def equations(graph: Graph) -> Equations:
    """The equations of a traced cell."""
    graph = rewrite(graph, _shorter)
    calls = _calls(graph)
    results = dict(graph.results)
    output = results.pop(OUTPUT)
    if output not in (*results.values(), *graph.names.values()):
        results["y" if "y" not in results else OUTPUT] = output
    uses = _uses([*results.values(), output], calls)
    names = _names(graph, results, uses)
    # What is no longer than a name is written out each time: 1 - z.
    shared = [n for n, k in uses.items() if k > 1 and len(_uses([n], calls)) > 3]
    order = _in_order([*names, *shared], calls)
    taken = {*graph.names, *results}
    free = (letter for k in count(1) if (letter := f"a{k}") not in taken)
    names |= {node: next(free) for node in order if node not in names}
    lines = [(names[node], node) for node in order]
    given = {name for name, _ in lines}
    lines += [(name, node) for name, node in results.items() if name not in given]
    return Equations(tuple(lines), names, calls)


def _shorter(node: Node, operands: tuple[Node, ...]) -> Node | None:
    """Without what a missing weight or an option at rest leaves behind."""
    kept: list[Node] = []
    if node.op in (OPS["add"], OPS["subtract"]):
        kept = [o for o in operands if not _is(o, 0.0)]
    if node.op is OPS["multiply"]:
        kept = [o for o in operands if not _is(o, 1.0)]
    from_zero = node.op is OPS["subtract"] and kept == [operands[1]]
    if len(kept) != 1 or from_zero or kept[0].shape != node.shape:
        return None
    return kept[0]


def _is(node: Node, number: float) -> bool:
    if node.op is OPS["multiply"] and number == 0.0:
        return any(_is(i, number) for i in node.inputs)
    return node.op is OPS["constant"] and node.attribute == number


def _calls(graph: Graph) -> dict[Node, Call]:
    """Values that equal a function of another value, by building it once more."""
    nodes = graph.nodes()
    there, calls = set(nodes), {}
    with building(tuple(nodes)):
        for x in nodes:
            if x.dtype != REAL or len(x.shape) != 1:
                continue
            made = {name: f(x) for name, f in ACTIVATIONS.items()}
            made["layer_norm"] = standardised(x)
            for name, node in made.items():
                if node in there and node is not x and node.inputs != (x,):
                    calls.setdefault(node, (name, (x,)))
    return calls | dict(_normalised(nodes, calls))


def _normalised(nodes: list[Node], calls: dict[Node, Call]) -> Iterator:
    """Layer normalisation with its gain, and with its shift."""
    norms = {node: call[1] for node, call in calls.items() if call[0] == "layer_norm"}
    for node in nodes:
        if node.op in (OPS["multiply"], OPS["add"]) and node.inputs[0] in norms:
            weight = node.inputs[1]
            gained = len(norms[node.inputs[0]]) == 2
            if weight.op is OPS["leaf"] and gained == (node.op is OPS["add"]):
                norms[node] = (*norms[node.inputs[0]], weight)
                yield node, ("layer_norm", norms[node])


def operands(node: Node, calls: dict[Node, Call]) -> tuple[Node, ...]:
    """What a value is written with: the operands of its function."""
    if node.op is OPS["broadcast"]:
        return node.inputs[:1]
    return calls[node][1] if node in calls else node.inputs


def _names(
    graph: Graph, results: dict[str, Node], uses: Counter[Node]
) -> dict[Node, str]:
    """Names that values have, in the order of the source."""
    named = graph.names | results
    kept = (*results, *graph.names)  # of two names of a value, a result's is kept
    names = {named[name]: name for name in reversed(kept)}
    return {
        node: names[node] for node in named.values() if node.inputs and node in uses
    }


def _uses(roots: Iterable[Node], calls: dict[Node, Call]) -> Counter[Node]:
    """Values that are written down, operands first, with how often they are used."""
    uses: Counter[Node] = Counter()

    def visit(node: Node) -> None:
        if node not in uses:
            for operand in operands(node, calls):
                visit(operand)
        uses[node] += 1

    for node in roots:
        visit(node)
    return uses


def _in_order(nodes: list[Node], calls: dict[Node, Call]) -> list[Node]:
    """Values as they come, but none before what it is made of."""
    wanted = set(nodes)
    parts = (part for node in nodes for part in _uses([node], calls))
    return list(dict.fromkeys(part for part in parts if part in wanted))


class Notation(ABC):
    """How values are written. Levels say how tightly what is written holds together."""

    SUM, PRODUCT, MATRIX, WHOLE = range(4)

    def __init__(self, given: Equations):
        self.given = given

    def lines(self) -> list[tuple[str, str]]:
        """Name and right side of every equation."""
        return [
            (self.name(name), self._line(name, node)) for name, node in self.given.lines
        ]

    def _line(self, name: str, node: Node) -> str:
        known = self.given.names.get(node, name)
        return self.name(known) if known != name else self._inside(node)[0]

    def write(self, node: Node, least: int = SUM) -> str:
        """A value inside another, in brackets where it holds less tightly."""
        if node in self.given.names:
            return self.name(self.given.names[node])
        text, level = self._inside(node)
        return text if level >= least else self.group(text)

    def _inside(self, node: Node) -> tuple[str, int]:
        if node.op is OPS["leaf"]:
            return self.leaf(str(node.attribute)), self.WHOLE
        if node.op is OPS["constant"]:
            value = float(node.attribute or 0.0)
            return self.number(value), self.WHOLE if value >= 0 else self.PRODUCT
        if node in self.given.calls:
            name, given = self.given.calls[node]
            return self.call(name, given), self.WHOLE
        if node.op is OPS["broadcast"]:
            return self._inside(node.inputs[0])
        return self.primitive(node)

    @abstractmethod
    def name(self, name: str) -> str:
        """A value of this step."""

    @abstractmethod
    def leaf(self, name: str) -> str:
        """The input, an old state, a weight."""

    @abstractmethod
    def number(self, value: float) -> str:
        """A constant."""

    @abstractmethod
    def group(self, text: str) -> str:
        """In brackets."""

    @abstractmethod
    def call(self, name: str, given: tuple[Node, ...]) -> str:
        """A function of the language."""

    @abstractmethod
    def primitive(self, node: Node) -> tuple[str, int]:
        """A primitive, and how tightly it holds together."""


class _Code(Notation):
    """As in the source of a cell."""

    # A level, and those of the operands. `@` and `*` are not mixed without brackets,
    # which Python would read from left to right.
    _INFIX: ClassVar = {
        **dict.fromkeys(
            ("add", "subtract"), (Notation.SUM, Notation.SUM, Notation.PRODUCT)
        ),
        **dict.fromkeys(
            ("multiply", "divide"), (Notation.MATRIX, Notation.MATRIX, Notation.WHOLE)
        ),
        "matmul": (Notation.PRODUCT, Notation.WHOLE, Notation.WHOLE),
    }

    def name(self, name: str) -> str:
        return name

    def leaf(self, name: str) -> str:
        return name

    def number(self, value: float) -> str:
        return f"{value:.15g}"  # 1 - 0.95 is 0.05, whatever binary numbers make of it

    def group(self, text: str) -> str:
        return f"({text})"

    def call(self, name: str, given: tuple[Node, ...]) -> str:
        return f"{name}({', '.join(map(self.write, given))})"

    def primitive(self, node: Node) -> tuple[str, int]:
        name = node.op.name
        if name in INFIX:
            level, first, second = self._INFIX[name]
            left = self.write(node.inputs[0], first)
            return f"{left} {INFIX[name]} {self.write(node.inputs[1], second)}", level
        if name == "matmul_transposed":
            vector, matrix = (self.write(i, self.WHOLE) for i in node.inputs)
            return f"{vector} @ {matrix}.T", self.PRODUCT
        if name == "negative":
            return f"-{self.write(node.inputs[0], self.WHOLE)}", self.SUM
        if name == "greater":
            return " > ".join(self.write(i) for i in node.inputs), self.SUM
        return self.call(name, node.inputs), self.WHOLE


def text(graph: Graph) -> str:
    """The equations in the language of cells, one a line."""
    lines = _Code(equations(graph)).lines()
    return "\n".join(f"{name} = {right}" for name, right in lines) + "\n"
