"""A Keras cell made of operations that the language knows, as equations.

`symbolic.py` runs the cell's `call` once on symbols. Here its operations are read
backwards, from the results to the leaves: of each value the part that is needed, so
that a product with a packed kernel, split afterwards, becomes one product a part.
Whatever has no exact counterpart is refused with the reason.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import keras
from keras import KerasTensor

from refrain.cells import Cell, SizedCell
from refrain.cells.weights import Weight
from refrain.errors import CellError
from refrain.graph.graph import OUTPUT, Graph, constant, leaf, ordered
from refrain.graph.node import BOOL, Node, Origin, building, originating
from refrain.graph.ops import op
from refrain.graph.show import show
from refrain.graph.verify import verify
from refrain.layers.equations import equations_of
from refrain.layers.operations import OVER_UNITS, POINTWISE
from refrain.layers.sight import remembered
from refrain.layers.symbolic import Step, Untraced, symbolic_step

FEATURES, UNITS = "features", "units"
_CELLS: dict[tuple[str, str], Cell] = {}  # by their equations and weights


class Span(NamedTuple):
    """A part of the last axis."""

    start: int
    stop: int

    @property
    def width(self) -> int:
        """How many numbers it holds."""
        return self.stop - self.start


class Block(NamedTuple):
    """A part of a variable: of one of its rows where rows are biases of their own."""

    path: str
    row: int | None
    span: Span


def equations_of_stack(
    cells: Sequence[Any], shape: Sequence[int | None], training: bool | None = None
) -> list[SizedCell]:
    """The equations of cells that run one after the other, written down or read.

    Args:
        cells: Keras cells.
        shape: of what the first of them reads, `(batch, timesteps, features)`.
        training: whether they train.

    Raises:
        Untraced: the equations of a cell are not known, in training or without.
    """
    found = []
    for cell in cells:
        try:
            sized = equations_of(cell)
        except Untraced as reason:
            if len(shape) != 3:
                raise
            key = shape[-1], bool(training)
            sized = remembered(cell, key, partial(_in_both_modes, cell, *key))
            if isinstance(sized, str):
                raise Untraced(f"{reason}; {sized}") from None
        found.append(sized)
        shape = (*shape[:2], sized.output_size)
    return found


def _in_both_modes(cell: Any, features: Any, training: bool) -> SizedCell | str:
    """The equations, or why there are none: in one mode, one path for both."""
    try:
        modes = (not training, training, training)
        _, sized, again = (traced_cell(cell, features, mode) for mode in modes)
    except Untraced as reason:
        return str(reason)
    if again.cell is not sized.cell:
        return f"{type(cell).__name__}.call does not do the same each time"
    return sized


def traced_cell(cell: Any, features: int, training: bool) -> SizedCell:
    """The equations of a built Keras cell, read from its `call`.

    The variables are named as the cell's attributes, `kernel` or `inner.kernel`. The
    same operations give the same cell, and so the same kernels.

    Raises:
        Untraced: an operation is not known, or does what equations cannot say.
    """
    name = type(cell).__name__
    if not isinstance(cell, keras.Layer):
        raise Untraced(f"{name} is no Keras layer")
    if not cell.built:
        raise Untraced("operations are read when the layer is built")
    step = symbolic_step(cell, features, training)
    code = type(cell).call.__code__
    origin = Origin(code.co_filename, code.co_firstlineno)
    try:
        with building(), originating(origin):
            return _Reader(name, step, features).cell()
    except CellError as error:
        raise Untraced(f"{name}: {str(error).splitlines()[0]}") from None


class _Reader:
    """Reads one step from its results."""

    def __init__(self, name: str, step: Step, features: int):
        self.name = name
        self.step = step
        self.dtype = step.x.dtype
        units = step.output.shape[-1]
        self.sizes = {units: UNITS, features: FEATURES}
        self.states = {f"h{k}": s for k, s in enumerate(step.states)}
        self.leaves = {"x": leaf("x", (self._name(features),))}
        for state, symbol in self.states.items():
            shape = (self._name(symbol.shape[-1]),)
            self.leaves[f"{state}_prev"] = leaf(f"{state}_prev", shape)
        entering = [step.x, *step.states]
        self.known = dict(zip(map(id, entering), self.leaves.values(), strict=True))
        self.paths = {id(s): path for path, s in step.weights.items()}
        self.blocks: dict[Block, Node] = {}
        self.read: dict[tuple[int, Span | None], Node] = {}

    def cell(self) -> SizedCell:
        """The cell with its sizes; the same for equal equations."""
        new = {
            name: self._state(f"{name}_prev", symbol)
            for name, symbol in zip(self.states, self.step.new_states, strict=True)
        }
        first = next(iter(new.values()))
        output = self._whole(self.step.output)
        if output.shape != (self.sizes[self.step.output.shape[-1]],):
            raise Untraced(f"the output has shape {self.step.output.shape}")
        weights = self._weights()
        leaves = {**self.leaves, **{str(n.attribute): n for n in self.blocks.values()}}
        graph = verify(Graph(self.name, leaves, {OUTPUT: output, **new}))
        self._check_trained(graph)
        sizes = {name: size for size, name in self.sizes.items()}
        states = {name: self._name(s.shape[-1]) for name, s in self.states.items()}
        key = show(graph), repr(weights)
        if key not in _CELLS:
            named = None if output is first else "y"
            _CELLS[key] = Cell(self.name, states, (), weights, graph, output=named)
        return SizedCell(_CELLS[key], sizes, {})

    def _check_trained(self, graph: Graph) -> None:
        """Refuse weights without a gradient, of which kernels have no notion."""
        reached = ordered(
            graph.results.values(), [n for n in graph.nodes() if n.dtype == BOOL]
        )
        for block, node in self.blocks.items():
            if node not in reached:
                raise Untraced(f"{block.path} decides and is not computed with")

    def _name(self, size: int) -> str:
        return self.sizes.setdefault(size, f"size_{size}")

    def _state(self, previous: str, symbol: KerasTensor) -> Node:
        old, new = self.leaves[previous], self._whole(symbol)
        if new is old:
            raise Untraced("a state is never updated")
        if new.shape == () and old.shape == (self._name(symbol.shape[-1]),):
            return op("broadcast", new, old)
        if new.shape != old.shape:
            raise Untraced(f"a new state has shape {symbol.shape}")
        return new

    def _whole(self, value: Any) -> Node:
        """A value with all of its last axis."""
        shape: Any = getattr(value, "shape", ())
        if None in shape[-1:]:
            raise Untraced("it computes with a value that has no axis of units")
        return self._part(value, Span(0, shape[-1]) if len(shape) else None)

    def _part(self, value: Any, span: Span | None) -> Node:
        if not isinstance(value, KerasTensor):
            return self._number(value)
        key = id(value), span
        if key not in self.read:
            self.read[key] = self._read(value, span)
        return self.read[key]

    def _number(self, value: Any) -> Node:
        if isinstance(value, (bool, int, float)):
            return constant(float(value))
        kind = type(value).__name__
        raise Untraced(f"it computes with a {kind} that is no attribute of a layer")

    def _read(self, value: KerasTensor, span: Span | None) -> Node:
        if id(value) in self.known:
            if span != Span(0, value.shape[-1]):
                raise Untraced("it takes a part of the input or of a state")
            return self.known[id(value)]
        if (found := self._variable(value)) is not None:
            return self._block(*found, span or Span(0, 1), value)
        name, operation, arguments = _made_by(value)
        if name in POINTWISE:
            return self._pointwise(value, span, POINTWISE[name], operation, arguments)
        if value.dtype != self.dtype:
            raise Untraced(f"it computes in {value.dtype}")
        if name == "Matmul":
            return self._product(value, span, *arguments)
        if name in OVER_UNITS:
            if len(value.shape) != 2 or value.shape[0] is not None:
                raise Untraced(f"{name} goes over more than the units of a sample")
            if span != Span(0, value.shape[-1]):
                raise Untraced(f"it takes a part of what {name} gives")
            given = [a if a is None else self._whole(a) for a in arguments]
            return OVER_UNITS[name](operation, *given)
        return self._moved(value, span, name, operation, arguments)

    def _pointwise(self, value, span, rule, operation, arguments) -> Node:
        if value.dtype not in (self.dtype, "bool"):
            raise Untraced(f"it computes in {value.dtype}")
        if len(value.shape) > 2:
            raise Untraced(f"it computes with a value of shape {value.shape}")
        operands = [self._operand(a, value, span) for a in arguments]
        return rule(operation, *operands)

    def _operand(self, argument: Any, value: KerasTensor, span: Span | None) -> Node:
        """What stands pointwise beside others; one number beside many is a scalar."""
        shape = getattr(argument, "shape", ())
        if len(shape) == 1 and shape[0] is None:
            raise Untraced("it computes with a value that has no axis of units")
        if not shape or shape[-1] == value.shape[-1]:
            return self._part(argument, span if shape else None)
        node = self._part(argument, Span(0, 1))
        return op("sum", node) if node.shape else node

    def _product(self, value, span, left: Any, right: Any) -> Node:
        if len(value.shape) != 2 or len(right.shape) != 2 or None in right.shape:
            raise Untraced("it has a product with something else than a matrix")
        return op("matmul", self._whole(left), self._part(right, span))

    def _moved(self, value, span, name, operation, arguments) -> Node:
        """Operations that take a part of what they are given, or leave it."""
        source = arguments[0]
        if name == "Split" and operation.axis in (-1, len(value.shape) - 1):
            before = _node(value).outputs[: _place(value)]
            return self._part(source, _shifted(span, sum(v.shape[-1] for v in before)))
        if name == "GetItem":
            return self._part(source, _shifted(span, _offset(source, arguments[1])))
        if name == "Concatenate" and operation.axis in (-1, len(value.shape) - 1):
            return self._piece(source, span)
        if name == "Cast" and source.dtype == "bool":
            return op("where", self._part(source, span), constant(1), constant(0))
        if name in ("Cast", "ConvertToTensor", "Copy") and source.dtype == value.dtype:
            return self._part(source, span)
        raise Untraced(f"the operation {name} is not one that equations know")

    def _piece(self, pieces: Any, span: Span) -> Node:
        """The one among values side by side that the span lies in."""
        offset = 0
        for piece in pieces:
            end = offset + piece.shape[-1]
            if offset <= span.start and span.stop <= end:
                return self._part(piece, _shifted(span, -offset))
            offset = end
        raise Untraced("it uses several values as one, side by side")

    def _variable(self, value: KerasTensor) -> tuple[str, int | None] | None:
        """Path and row, if this is a variable, or one row of a variable of several."""
        if id(value) in self.paths:
            return self.paths[id(value)], None
        name, operation, (source, *rest) = _made_by(value)
        row = None
        if name == "Squeeze" and operation.axis in (0, (0,)):
            rows = source
            name, operation, (source, *rest) = _made_by(rows)
            if name == "Split" and operation.axis == 0 and rows.shape[0] == 1:
                row = _place(rows)
        elif name == "GetItem" and type(rest[0]) is int and rest[0] >= 0:
            row = rest[0]
        found = self.paths.get(id(source))
        return None if found is None or row is None else (found, row)

    def _block(self, path: str, row: int | None, span: Span, value: Any) -> Node:
        """The leaf for a part of a variable's last axis."""
        block = Block(path, row, span)
        if block not in self.blocks:
            name = path if row is None else f"{path}[{row}]"
            shape: tuple[str, ...] = ()
            if value.shape:
                shape = tuple(map(self._name, (*value.shape[:-1], span.width)))
                if span.width < value.shape[-1]:
                    name = f"{name}.{span.start // span.width}"
            self.blocks[block] = leaf(name, shape)
        return self.blocks[block]

    def _weights(self) -> dict[str, Weight]:
        """Declarations of the variables that were read."""
        found: dict[str, Weight] = {}
        for path, symbol in self.step.weights.items():
            blocks = [block for block in self.blocks if block.path == path]
            rows = {block.row for block in blocks}
            stacked = [*range(symbol.shape[0])] if rows - {None} else [None]
            if blocks and rows != set(stacked):
                raise Untraced(f"it reads {path} whole and by row, or not each row")
            for row in stacked if blocks else ():
                spans = sorted(block.span for block in blocks if block.row == row)
                name = path if row is None else f"{path}[{row}]"
                gates = _gates(path, spans, symbol.shape[-1] if symbol.shape else 1)
                shape = self.blocks[Block(path, row, spans[0])].shape
                found[name] = Weight(shape, path, gates)
        return found


def _gates(path: str, spans: list[Span], width: int) -> tuple[str, ...]:
    """Names of the parts of a variable, which have to be equal and side by side."""
    part = spans[0].width
    if spans != [Span(k, k + part) for k in range(0, width, part)]:
        raise Untraced(f"it does not read {path} in equal parts side by side")
    return tuple(map(str, range(len(spans)))) if len(spans) > 1 else ()


def _node(value: Any) -> Any:
    """Keras's record of the operation that made a value."""
    operation, index, _ = value._keras_history
    return operation._inbound_nodes[index]


def _made_by(value: KerasTensor) -> tuple[str, Any, tuple[Any, ...]]:
    """The operation that made a value: the name of its class, itself, its arguments."""
    made = _node(value)
    given = inspect.signature(made.operation.call).bind(
        *made.arguments.args, **made.arguments.kwargs
    )
    return (
        type(made.operation).__name__,
        made.operation,
        tuple(given.arguments.values()),
    )


def _place(value: Any) -> int:
    """Which of an operation's results a value is."""
    return value._keras_history.tensor_index


def _shifted(span: Span, offset: int) -> Span:
    return Span(span.start + offset, span.stop + offset)


def _offset(source: KerasTensor, key: Any) -> int:
    """Where a slice of the last axis starts."""
    *leading, last = key if isinstance(key, tuple) else (key,)
    whole = all(k is Ellipsis or k == slice(None) for k in leading)
    reaches = Ellipsis in leading or len(leading) == len(source.shape) - 1
    if not (whole and reaches and isinstance(last, slice) and last.step in (None, 1)):
        raise Untraced("it takes a part that is no slice of the units")
    return last.indices(source.shape[-1])[0]
