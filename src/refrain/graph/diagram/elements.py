"""What a diagram is made of: gates as boxes, arithmetic as circles, what enters.

Products with weights, the sum that they belong to and the function round it are one
box, as textbooks draw them: sigmoid(x @ W.f + h_prev @ U.f + b.f) is a box σ named f.
"""

from __future__ import annotations

import linecache
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from refrain.graph.diagram.forms import NORM, function_of
from refrain.graph.graph import Graph
from refrain.graph.node import Node
from refrain.graph.ops import OPS

SYMBOLS = {
    "sigmoid": "σ",
    "log_sigmoid": "log σ",
    "relu": "ReLU",
    "exponential": "exp",
    "sqrt": "√",
    "abs": "|·|",
    "add": "+",
    "subtract": "−",
    "negative": "−",
    "multiply": "×",
    "divide": "÷",
    "maximum": "max",
    "minimum": "min",
    "greater": ">",
}
WEIGHTED_SUM = "Σ"
Kind = Literal["source", "gate", "function", "circle"]


@dataclass(eq=False)
class Element:
    """One thing that a diagram shows.

    Attributes:
        kind: what enters, a box with weights, one without, or arithmetic.
        symbol: what is written in it; the name of a source.
        name: the gate whose weights it holds, or nothing.
        about: what a reader sees who points at it.
        operands: what goes in, in the order of the equations.
        inverse: the operand that is subtracted, or divided by, and its sign.
    """

    kind: Kind
    symbol: str
    name: str = ""
    about: str = ""
    operands: tuple[Element, ...] = ()
    inverse: tuple[Element, str] | None = None


@dataclass
class Elements:
    """A cell as elements: what enters by name, and what leaves by name."""

    sources: dict[str, Element]
    results: dict[str, Element]


@dataclass
class _Sum:
    """A sum of products with weights: what is multiplied, and by which weights."""

    values: dict[Node, None] = field(default_factory=dict)
    matrices: dict[str, None] = field(default_factory=dict)
    weights: dict[str, None] = field(default_factory=dict)
    normalised: bool = False


def fold(graph: Graph) -> Elements:
    """The elements of one step of a cell."""
    folder = _Folder(graph)
    results = {name: folder.element(node) for name, node in graph.results.items()}
    return Elements(folder.sources, results)


class _Folder:
    def __init__(self, graph: Graph):
        entering = [n for n in graph.leaves if n == "x" or n.endswith("_prev")]
        self.moving = graph.depending(entering)
        self.sources = {name: Element("source", name) for name in entering}
        self.made = {graph.leaves[n]: e for n, e in self.sources.items()}
        self.uses: Counter[Node] = Counter(set(graph.results.values()))
        pending, seen = list(graph.results.values()), set()
        while pending:
            node = pending.pop()
            if node in seen:
                continue
            seen.add(node)
            operands = self.operands(node)
            self.uses.update(operands)
            pending += operands

    def operands(self, node: Node) -> list[Node]:
        """What a value is made of, without weights and numbers."""
        called = function_of(node) if node in self.moving else None
        inputs = (called[1],) if called else node.inputs
        return [i for i in inputs if i in self.moving]

    def element(self, node: Node) -> Element:
        """The element that gives a value."""
        if node not in self.made:
            same = _times_one(node)
            if same is not None:
                self.made[node] = self.element(same)
            else:
                self.made[node] = self.gate(node) or self.arithmetic(node)
        return self.made[node]

    def gate(self, node: Node) -> Element | None:
        """A sum of products with weights, and a function of it if there is one."""
        symbol, inside = WEIGHTED_SUM, node
        called = function_of(node)
        if called and called[0] != NORM and self.uses[called[1]] == 1:
            symbol, inside = called
        total = _Sum()
        self.gather(inside, total)
        if not total.weights:
            return None
        name = ", ".join(_gates(total.matrices) or _gates(total.weights))
        if total.normalised:
            name = f"{name}, norm" if name else "norm"
        about = f"{symbol}; weights {', '.join(total.weights)}\n{_line(node)}"
        inputs = tuple(self.element(value) for value in total.values)
        return Element("gate", SYMBOLS.get(symbol, symbol), name, about, inputs)

    def gather(self, node: Node, total: _Sum) -> None:
        """Add the terms of a sum: products with weights, and any other values."""
        called = function_of(node)
        op = node.op.name
        fixed = [i for i in node.inputs if i not in self.moving]
        if called and called[0] == NORM:
            total.normalised = True
            self.term(called[1], total)
        elif op == "matmul" or op == "matmul_transposed":
            total.values.setdefault(node.inputs[0])
            total.matrices |= _names(node.inputs[1])
            total.weights |= _names(node.inputs[1])
        elif op in ("add", "subtract") or (op == "multiply" and fixed):
            for operand in node.inputs:
                self.term(operand, total)
        else:
            total.values.setdefault(node)

    def term(self, node: Node, total: _Sum) -> None:
        if node not in self.moving:
            total.weights |= _names(node)
        elif self.uses[node] == 1 and node not in self.made:
            self.gather(node, total)
        else:
            total.values.setdefault(node)

    def arithmetic(self, node: Node) -> Element:
        """A function, or an operation on values and numbers, without weights."""
        if node not in self.moving:
            return Element("function", node.describe(), "", _line(node))
        called = function_of(node)
        if called:
            symbol = SYMBOLS.get(called[0], called[0])
            inputs = self.inputs(called[1])
            return Element(
                "function", symbol, "", f"{called[0]}\n{_line(node)}", inputs
            )
        symbol = SYMBOLS.get(node.op.name, node.op.name)
        operands = self.inputs(*(i for i in node.inputs if i in self.moving))
        about = f"{node.op.name}\n{_line(node)}"
        if node.op is OPS["negative"] or len(operands) == len(node.inputs) == 2:
            made = Element("circle", symbol, "", about, operands)
            if node.op.name in ("subtract", "divide"):
                made.symbol = "+" if symbol == "−" else symbol
                made.inverse = operands[1], symbol
            return made
        if len(node.inputs) == 2:
            symbol = self.with_number(node, symbol)
        kind = "circle" if len(symbol) < 3 else "function"
        return Element(kind, symbol, "", about, operands)

    def inputs(self, *nodes: Node) -> tuple[Element, ...]:
        return tuple(dict.fromkeys(self.element(node) for node in nodes))

    def with_number(self, node: Node, symbol: str) -> str:
        """An operation of which one operand is a number: `1−`, `×0.5`, `x²`."""
        left, right = node.inputs
        if left is right:
            return "x²" if node.op is OPS["multiply"] else f"x{symbol}x"
        fixed = left if left not in self.moving else right
        text = f"{fixed.attribute:g}" if fixed.op is OPS["constant"] else "w"
        text = text.replace("-", "−")
        before = fixed is left and symbol in "−÷"
        symbol = f"{symbol} " if symbol.isalpha() else symbol
        return f"{text}{symbol}" if before else f"{symbol}{text}"


def _times_one(node: Node) -> Node | None:
    """What is multiplied by 1, which no diagram shows."""
    if node.op is OPS["multiply"]:
        for one, other in (node.inputs, node.inputs[::-1]):
            if one.attribute == 1.0:
                return other
    return None


def _line(node: Node) -> str:
    """The line of the equations that a value stems from."""
    return linecache.getline(node.origin.file, node.origin.line).strip()


def _names(node: Node) -> dict[str, None]:
    """The weights that a value is made of."""
    leaves = Graph("", {}, {"": node}).nodes()
    return {str(n.attribute): None for n in leaves if n.op is OPS["leaf"]}


def _gates(weights: dict[str, None]) -> list[str]:
    return list(dict.fromkeys(w.split(".", 1)[1] for w in weights if "." in w))
