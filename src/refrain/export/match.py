"""Finds a form in a graph: expressions with holes, activations, affine sums.

What a cell is, is read from its equations. Sums and products match in either order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from refrain.derive.simplify import simplify
from refrain.graph.evaluate import Arrays, evaluate
from refrain.graph.functions import ACTIVATIONS
from refrain.graph.graph import Graph, leaf
from refrain.graph.node import Node, building
from refrain.graph.ops import OPS

Found = Mapping[str, Node]

_COMMUTATIVE = {OPS["add"], OPS["multiply"]}


class Holes:
    """Names of what a form leaves open: `holes.f * holes.c_prev`."""

    def __getattr__(self, name: str) -> Node:
        return leaf(name, ("units",))


def form(expression: Callable[[Holes], Node]) -> Node:
    """An expression with holes, as simple as the graphs that it is looked for in."""
    with building():
        open_form = Graph("form", {}, {"form": expression(Holes())})
    return simplify(open_form).results["form"]


def matches(pattern: Node, node: Node, found: Found) -> Iterator[Found]:
    """Every way to fill a form's holes so that it is the node.

    Args:
        pattern: the form.
        node: a value of a graph.
        found: holes that are filled already.
    """
    if pattern.op is OPS["leaf"]:
        name = str(pattern.attribute)
        if found.get(name, node) is node:
            yield {**found, name: node}
    elif pattern.op is node.op and pattern.attribute == node.attribute:
        orders = [node.inputs]
        if node.op in _COMMUTATIVE:
            orders.append(node.inputs[::-1])
        for operands in orders:
            yield from _match_all(pattern.inputs, operands, found)


def _match_all(
    patterns: Sequence[Node], nodes: Sequence[Node], found: Found
) -> Iterator[Found]:
    if not patterns:
        yield found
        return
    for first in matches(patterns[0], nodes[0], found):
        yield from _match_all(patterns[1:], nodes[1:], first)


@dataclass(frozen=True)
class Activation:
    """A function that ONNX's recurrent nodes know, with the numbers that it takes."""

    name: str
    alpha: float | None = None
    beta: float | None = None


_LINEAR = Activation("Affine", 1.0, 0.0)
_ACTIVATIONS = {
    "sigmoid": Activation("Sigmoid"),
    "tanh": Activation("Tanh"),
    "relu": Activation("Relu"),
    "leaky_relu": Activation("LeakyRelu", 0.2),
    "elu": Activation("Elu", 1.0),
    "softsign": Activation("Softsign"),
    "softplus": Activation("Softplus"),
    "hard_sigmoid": Activation("HardSigmoid", 1 / 6, 0.5),
}
_FORMS = {a: form(lambda p, n=n: ACTIVATIONS[n](p.x)) for n, a in _ACTIVATIONS.items()}


def activations(node: Node) -> Iterator[tuple[Activation, Node]]:
    """The activations that a value may be the result of, each with its operand."""
    for activation, pattern in _FORMS.items():
        for found in matches(pattern, node, {}):
            yield activation, found["x"]
    yield _LINEAR, node


def terms(node: Node, sign: float = 1.0) -> Iterator[tuple[float, Node]]:
    """The terms of a sum, each with its sign."""
    if node.op in (OPS["add"], OPS["subtract"]):
        left, right = node.inputs
        yield from terms(left, sign)
        yield from terms(right, sign if node.op is OPS["add"] else -sign)
    elif node.op is OPS["negative"]:
        yield from terms(node.inputs[0], -sign)
    else:
        yield sign, node


@dataclass(frozen=True)
class Affine:
    """A sum of products of values with matrices, of values with vectors, and a bias."""

    size: int
    products: dict[Node, np.ndarray] = field(default_factory=dict)
    diagonals: dict[Node, np.ndarray] = field(default_factory=dict)
    bias: list[np.ndarray] = field(default_factory=list)

    def matrix(self, source: Node, rows: int) -> np.ndarray:
        """What a value is multiplied by, `(rows, size)`."""
        return self.products.get(source, np.zeros((rows, self.size)))

    def diagonal(self, source: Node) -> np.ndarray:
        """What each unit of a value is multiplied by."""
        return self.diagonals.get(source, np.zeros(self.size))

    def constant(self) -> np.ndarray:
        """The sum of what is added, `(size,)`."""
        return np.sum([np.zeros(self.size), *self.bias], axis=0)


class Reader:
    """Reads sums in a graph whose weights are known.

    Args:
        graph: one step of a cell.
        weights: an array for each weight leaf.
        size: numbers in each sum.
    """

    def __init__(self, graph: Graph, weights: Arrays, size: int):
        self.graph = graph
        self.weights = weights
        self.size = size
        entering = {n for n in graph.leaves if n == "x" or n.endswith("_prev")}
        self.moving = graph.depending(entering)

    def affine(
        self,
        summands: Collection[tuple[float, Node]],
        multiplied: Collection[Node],
        scaled: Collection[Node] = (),
    ) -> Affine | None:
        """The sum as numbers, or None where it has terms of another kind.

        Args:
            summands: the terms with their signs.
            multiplied: values that may be multiplied by a matrix.
            scaled: values that may be multiplied unit by unit.
        """
        found = Affine(self.size)
        for sign, node in summands:
            if node not in self.moving:
                found.bias.append(sign * np.broadcast_to(self.value(node), self.size))
            elif node.op is OPS["matmul"] and node.inputs[0] in multiplied:
                source, matrix = node.inputs
                before = found.products.get(source, 0.0)
                found.products[source] = before + sign * self.value(matrix)
            elif (scale := self._scale(node, scaled)) is not None:
                source, by = scale
                before = found.diagonals.get(source, 0.0)
                found.diagonals[source] = before + sign * self.value(by)
            else:
                return None
        return found

    def value(self, node: Node) -> np.ndarray:
        """What weights alone amount to: a matrix, or a vector."""
        if node.shape and len(node.shape) == 2:
            return np.asarray(self.weights[str(node.attribute)])
        only = Graph(self.graph.name, self.graph.leaves, {"value": node})
        return evaluate(only, self.weights)["value"][0]

    def _scale(self, node: Node, scaled: Collection[Node]) -> tuple[Node, Node] | None:
        if node.op is OPS["multiply"]:
            for source, by in (node.inputs, node.inputs[::-1]):
                if source in scaled and by not in self.moving and by.shape:
                    return source, by
        return None
