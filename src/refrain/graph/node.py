"""Node: one value in a cell's equations, and how nodes are built and shared.

Equations are Python expressions over nodes. Each operator calls `build`, which
checks shapes and interns: equal expressions of one trace are one object.
"""

from __future__ import annotations

import contextlib
import contextvars
import linecache
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

from refrain.errors import CellError, CellShapeError

Shape = tuple[str, ...]  # symbolic sizes, e.g. ("units",); batch and time are implicit
REAL, BOOL = "real", "bool"

_LANGUAGE = str(Path(__file__).parent)


@dataclass(frozen=True)
class Origin:
    """File and line of an equation."""

    file: str
    line: int

    def quote(self) -> str:
        """The line as messages show it."""
        text = linecache.getline(self.file, self.line).strip()
        return f"  {Path(self.file).name}:{self.line}: {text}"


class Reading:
    """Equations while they are read: their code, and the frame that runs it."""

    def __init__(self, code: CodeType):
        self.code = code
        self.frame: FrameType | None = None

    def names(self) -> dict[str, Node]:
        """The values that the equations gave a name, once they have returned."""
        found = self.frame.f_locals if self.frame else {}
        return {k: v for k, v in found.items() if isinstance(v, Node) and v.inputs}


@dataclass(frozen=True, eq=False, slots=True)
class Op:
    """A primitive: its name (NumPy's and Keras's), shape rule, meaning and gradient.

    `value` takes arrays whose last axis is the unit axis; `gradient` takes the
    node itself and the gradient that arrives, and returns one gradient (or None)
    for each input.
    """

    name: str
    shape: Callable[..., Shape]
    value: Callable[..., np.ndarray]
    gradient: Callable[[Node, Node], tuple[Node | None, ...]]
    dtype: str = REAL

    @property
    def arity(self) -> int:
        """The number of operands."""
        return getattr(self.value, "nin", None) or len(signature(self.value).parameters)


@dataclass(frozen=True, eq=False, slots=True)
class Node:
    """One value in a cell's equations, immutable and compared by identity."""

    op: Op
    inputs: tuple[Node, ...]
    shape: Shape
    origin: Origin
    attribute: str | float | None = None  # a leaf's name, a constant's value

    @property
    def dtype(self) -> str:
        """Real or truth value."""
        return self.op.dtype

    def __repr__(self) -> str:
        return f"<{self.describe()}: ({', '.join(self.shape)})>"

    def describe(self, depth: int = 3) -> str:
        """The node in words of the equations, shortened: never deeper than `depth`."""
        if self.attribute is not None:
            return str(self.attribute)
        short = f"{self.op.name}(…)"
        if depth == 0:
            return short
        operands = ", ".join(i.describe(depth - 1) for i in self.inputs)
        text = f"{self.op.name}({operands})"
        return text if len(text) <= 40 else short

    def __add__(self, other: Any) -> Node:
        return _operator("add", self, other)

    def __radd__(self, other: Any) -> Node:
        return _operator("add", other, self)

    def __sub__(self, other: Any) -> Node:
        return _operator("subtract", self, other)

    def __rsub__(self, other: Any) -> Node:
        return _operator("subtract", other, self)

    def __mul__(self, other: Any) -> Node:
        return _operator("multiply", self, other)

    def __rmul__(self, other: Any) -> Node:
        return _operator("multiply", other, self)

    def __truediv__(self, other: Any) -> Node:
        return _operator("divide", self, other)

    def __rtruediv__(self, other: Any) -> Node:
        return _operator("divide", other, self)

    def __matmul__(self, other: Any) -> Node:
        if isinstance(other, Transposed):
            return _operator("matmul_transposed", self, other.matrix)
        return _operator("matmul", self, other)

    def __rmatmul__(self, other: Any) -> Node:
        return _operator("matmul", other, self)

    @property
    def T(self) -> Transposed:  # noqa: N802 (NumPy's name)
        """A weight matrix transposed, for the right of @."""
        return Transposed(self)

    def __neg__(self) -> Node:
        return _operator("negative", self)

    def __pow__(self, exponent: Any) -> Node:
        if exponent == 2:
            return self * self
        raise CellError(
            f"{self.describe()} ** {exponent!r}: only ** 2 is known in a cell.\n"
            f"{here().quote()}\n  Hint: write a product, sqrt(x), or exp(k * log(x))."
        )

    def __abs__(self) -> Node:
        return _operator("abs", self)

    def __gt__(self, other: Any) -> Node:
        return _operator("greater", self, other)

    def __lt__(self, other: Any) -> Node:
        return _operator("greater", other, self)

    def __ge__(self, other: Any) -> Node:
        raise self._no_python_value(">= and <=", "> or <, e.g. where(x > 0.0, a, b)")

    __le__ = __ge__

    def __eq__(self, other: object) -> bool:
        if _reading.get():
            raise self._no_python_value("== and !=", "> or <, as where(x > 0.0, a, b)")
        return self is other

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        raise self._no_python_value(
            "Python's if, while, and, or, not", "where(condition, a, b)"
        )

    def __iter__(self) -> Iterator[Node]:
        raise self._no_python_value(
            "Python loops and unpacking", "the equation for the whole vector"
        )

    def __float__(self) -> float:
        raise self._no_python_value(
            "float() and the math module", "the function from refrain.functions"
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *_: Any, **__: Any) -> None:
        name = ufunc.__name__
        instead = f"{name} from refrain.functions"
        if name in ("add", "subtract", "multiply", "divide", "matmul"):
            instead = "arrays as declared weights, and numbers as Python's"
        raise self._no_python_value(f"numpy.{name}", instead)

    def __getitem__(self, _: Any) -> Node:
        raise self._no_python_value(
            "indexing", "a gate of its own instead of a slice, e.g. W.i and W.f"
        )

    def _no_python_value(self, what: str, instead: str) -> CellError:
        return CellError(
            f"{what} cannot be used on {self.describe()}, which has no value while "
            f"the equations are read.\n{here().quote()}\n  Hint: write {instead}."
        )


@dataclass(frozen=True, eq=False, slots=True)
class Transposed:
    """A matrix on the right of @, its rows taken as columns: `h_prev @ U.T`."""

    matrix: Node


_table: contextvars.ContextVar[dict | None] = contextvars.ContextVar(
    "interned", default=None
)
_origin: contextvars.ContextVar[Origin | None] = contextvars.ContextVar(
    "origin", default=None
)
_reading: contextvars.ContextVar[Reading | None] = contextvars.ContextVar(
    "reading", default=None
)
primitives: dict[str, Op] = {}  # filled by ops.py


@contextlib.contextmanager
def building(graph_nodes: tuple[Node, ...] = ()) -> Iterator[None]:
    """Open an interning table, seeded with nodes that new ones may share."""
    token = _table.set({_key(n.op, n.inputs, n.attribute): n for n in graph_nodes})
    try:
        yield
    finally:
        _table.reset(token)


@contextlib.contextmanager
def reading(code: CodeType) -> Iterator[Reading]:
    """Equations with this code are being read; a mistake is one of their lines."""
    read = Reading(code)
    token = _reading.set(read)
    try:
        yield read
    finally:
        _reading.reset(token)


@contextlib.contextmanager
def originating(origin: Origin) -> Iterator[None]:
    """Let nodes built in this block carry the line of the node that they stem from."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def here() -> Origin:
    """The line of the equation being read; else the nearest outside the language."""
    if (given := _origin.get()) is not None:
        return given
    read, near = _reading.get(), sys._getframe(1)
    inside = _inside(read, near) if read else None
    frame = inside or _outside(near) or near
    return Origin(frame.f_code.co_filename, frame.f_lineno)


def _inside(read: Reading, frame: FrameType | None) -> FrameType | None:
    """The nearest frame in the file of the equations, whose own frame is noted."""
    found = None
    while frame is not None:
        if found is None and frame.f_code.co_filename == read.code.co_filename:
            found = frame
        if frame.f_code is read.code:
            read.frame = frame  # keeps the names of its values after it has returned
            break
        frame = frame.f_back
    return found


def _outside(frame: FrameType | None) -> FrameType | None:
    """The nearest frame outside the language."""
    while frame is not None and frame.f_code.co_filename.startswith(_LANGUAGE):
        frame = frame.f_back
    return frame


def build(op: Op, *inputs: Node, attribute: Any = None, shape: Shape = ()) -> Node:
    """The node for `op` of `inputs`; leaves and constants bring their own shape."""
    table = _table.get()
    if table is None:
        raise CellError(
            f"{op.name}: an equation was read outside a cell.\n{here().quote()}\n"
            "  Hint: put it into a function decorated with @refrain.cell."
        )
    key = _key(op, inputs, attribute)
    if key not in table:
        shape = op.shape(*inputs) if inputs else shape
        table[key] = Node(op, inputs, shape, here(), attribute)
    return table[key]


def as_node(value: Any) -> Node:
    """A node as it is; a Python or NumPy number as a constant."""
    if isinstance(value, Node):
        return value
    if isinstance(value, (bool, int, float, np.number)):
        return build(primitives["constant"], attribute=float(value))
    raise CellError(
        f"expected a value of the cell or a number, received "
        f"{_an(type(value).__name__)}.\n{here().quote()}\n"
        "  Hint: name a gate of a weight, e.g. W.i; arrays enter as declared weights."
    )


def _an(name: str) -> str:
    """A type's name in words."""
    known = {
        "Gates": "a weight with one part a gate",
        "NoneType": "None",
        "Transposed": "a transposed matrix away from the right of @",
    }
    return known.get(name, name)


def shape_error(message: str, expected: str, hint: str) -> CellShapeError:
    """The error for operands that do not fit, quoting the equation being read."""
    return CellShapeError(
        f"{message}\n{here().quote()}\n  Expected {expected}.\n  Hint: {hint}."
    )


def _operator(name: str, *operands: Any) -> Node:
    return build(primitives[name], *(as_node(o) for o in operands))


def _key(op: Op, inputs: tuple[Node, ...], attribute: Any) -> tuple:
    return (op.name, tuple(map(id, inputs)), attribute)
