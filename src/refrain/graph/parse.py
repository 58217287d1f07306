"""Reads the text form of a graph back: the exact inverse of `show`.

The text may come from a file that nobody vouches for. It is data in a grammar of five
kinds of lines and is never run; what is too long, too deep or not exactly as `show`
writes it is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from refrain.errors import CellError, GraphError
from refrain.graph.graph import Graph, constant, leaf
from refrain.graph.node import Node, Origin, Shape, build, building, originating
from refrain.graph.ops import OPS
from refrain.graph.show import INFIX, show

MOST_CHARACTERS = 1 << 18
MOST_NODES = 4000
MOST_DEEP = 200  # later stages descend by recursion, which Python bounds
LARGEST = 3.4028234663852886e38  # of float32

_LINE = re.compile(
    r"  (?:-> (?P<result>\S+) = (?P<operand>\S+)"
    r"|(?P<value>%\d+) = (?P<expression>[^:]+): \((?P<shape>[^()]*)\)"
    r"|(?P<leaf>[^\s:%]+): \((?P<size>[^()]*)\))"
)
_CALL = re.compile(r"(\w+)\(([^()]*)\)")
_NUMBER = re.compile(r"-?(?:\d[\d.e+-]*|inf)", re.ASCII)
_PRIMITIVES = {symbol: name for name, symbol in INFIX.items()}


def parse(text: str, names: Mapping[str, str] | None = None) -> Graph:
    """The graph that `show` wrote as this text.

    Args:
        text: the whole text.
        names: what the source called values, by what the text calls them: `%3`.

    Raises:
        CellError: it is no such text; the message quotes the line.
    """
    if len(text) > MOST_CHARACTERS:
        raise CellError(
            f"equations of {len(text):,} characters; expected {MOST_CHARACTERS:,} at "
            "most"
        )
    head, *lines = text.split("\n")
    if not head.startswith("graph "):
        raise CellError(f"expected equations as `graph <name>`, received {head[:40]!r}")
    if len(lines) > MOST_NODES:
        raise CellError(
            f"equations of {len(lines):,} lines; expected {MOST_NODES:,} at most"
        )
    reader = _Reader(head.removeprefix("graph "))
    graph = reader.read(lines)
    if show(graph) != text:
        raise CellError(
            f"{graph.name}: the equations are not as refrain writes them: numbers in "
            "their shortest form, every value once, in order and used"
        )
    return replace(graph, names=reader.named(names or {}))


class _Reader:
    def __init__(self, name: str):
        self.name = name
        self.known: dict[str, Node] = {}
        self.depth: dict[Node, int] = {}
        self.leaves: dict[str, Node] = {}
        self.results: dict[str, Node] = {}

    def read(self, lines: list[str]) -> Graph:
        with building():
            for number, line in enumerate(lines, 2):
                if not line and number == len(lines) + 1:
                    break  # the text ends with the end of a line
                try:
                    with originating(Origin("<equations>", number)):
                        self._line(line)
                except (CellError, GraphError) as error:
                    reason = str(error).partition("\n")[0]
                    raise CellError(
                        f"{self.name}: {reason}\n  line {number} of the equations: "
                        f"{line[:80]}"
                    ) from None
        return Graph(self.name, self.leaves, self.results)

    def named(self, names: Mapping[str, str]) -> dict[str, Node]:
        """Values by the names of the source."""
        for name, value in names.items():
            if value not in self.known or name in self.leaves:
                raise CellError(
                    f"{self.name}: {name[:40]!r} cannot be the name of {value[:40]!r}"
                )
        return {name: self.known[value] for name, value in names.items()}

    def _line(self, line: str) -> None:
        found = _LINE.fullmatch(line)
        if found is None:
            raise CellError("expected a leaf, a value or a result")
        if found["result"]:
            self._new(_name(found["result"]), self.results)
            self.results[found["result"]] = self._operand(found["operand"])
        elif found["value"]:
            self._new(found["value"], self.known)
            node = self._value(found["expression"])
            if node.shape != (declared := _shape(found["shape"])):
                raise CellError(f"expected the shape {node.shape}, received {declared}")
            self.known[found["value"]] = node
        else:
            name = found["leaf"]
            self._new(name, self.known)
            node = leaf(_name(name), _shape(found["size"]))
            self.known[name] = self.leaves[name] = node

    def _new(self, name: str, known: dict[str, Node]) -> None:
        if name in known:
            raise CellError(f"{name} is there twice")

    def _value(self, text: str) -> Node:
        operator, operands = self._expression(text)
        if operator not in OPS or operator in ("leaf", "constant"):
            raise CellError(f"unknown primitive {operator}")
        primitive = OPS[operator]
        if len(operands) != primitive.arity:
            raise CellError(
                f"{operator} takes {primitive.arity} operand(s), received "
                f"{len(operands)}"
            )
        node = build(primitive, *operands)
        deep = 1 + max(self.depth.get(i, 0) for i in operands)
        if deep > MOST_DEEP:
            raise CellError(f"nested more than {MOST_DEEP} deep")
        self.depth.setdefault(node, deep)
        return node

    def _expression(self, text: str) -> tuple[str, list[Node]]:
        if call := _CALL.fullmatch(text):
            return call[1], [self._operand(name) for name in call[2].split(", ")]
        match text.split(" "):
            case [left, symbol, right] if symbol in _PRIMITIVES:
                return _PRIMITIVES[symbol], [self._operand(left), self._operand(right)]
        raise CellError("expected a primitive of operands")

    def _operand(self, text: str) -> Node:
        if text in self.known:
            return self.known[text]
        if not _NUMBER.fullmatch(text) or len(text) > 32:
            raise CellError(f"{text[:40]} is neither known nor a number")
        try:
            number = float(text)
        except ValueError:
            raise CellError(f"{text} is not a number") from None
        if abs(number) > LARGEST and text.lstrip("-") != "inf":
            raise CellError(f"the number {text} is too large for float32")
        return constant(number)


def _name(text: str) -> str:
    parts = text.split(".")
    fits = len(parts) <= 2 and all(part.isidentifier() for part in parts)
    if not fits or _NUMBER.fullmatch(text) or len(text) > 128:
        raise CellError(f"{text[:40]!r} is not a name")
    return text


def _shape(text: str) -> Shape:
    """`features, units`, `units,` or nothing, as Python writes tuples."""
    sizes = tuple(text.removesuffix(",").split(", ")) if text else ()
    if len(sizes) > 2 or not all(s.isidentifier() for s in sizes):
        raise CellError(f"({text[:40]}) is not a shape, e.g. (features, units)")
    return sizes
