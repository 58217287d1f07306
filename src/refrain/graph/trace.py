"""Runs a cell's equations once on nodes and records what they compute.

The function is ordinary Python; whatever it does with a node becomes a graph, and a
mistake becomes an error that quotes the line and says what to write.
"""

from __future__ import annotations

import difflib
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping

from refrain.errors import CellError, CellShapeError
from refrain.graph.functions import __all__ as _functions
from refrain.graph.graph import OUTPUT, Graph, constant, leaf
from refrain.graph.node import BOOL, Node, Origin, Shape, as_node, building, reading
from refrain.graph.ops import OPS, op

# None stands for a weight that these options leave out: it is zero.
Shapes = Mapping[str, Shape | Mapping[str, Shape | None] | None]


class Gates:
    """A weight with one part a gate: `W.i`, `W.f`."""

    def __init__(self, name: str, parts: Mapping[str, Node]):
        self._name = name
        self._parts = parts

    def __getattr__(self, gate: str) -> Node:
        if gate.startswith("__"):
            raise AttributeError(gate)
        if gate in self._parts:
            return self._parts[gate]
        known = ", ".join(f"{self._name}.{g}" for g in self._parts)
        raise CellError(f"{self._name}.{gate} is not declared; expected one of {known}")


def trace(
    name: str,
    equations: Callable,
    arguments: Shapes,
    states: Iterable[str],
    output: str | None,
    options: Mapping[str, object],
) -> Graph:
    """Trace one step.

    Args:
        name: the cell's name, for messages.
        equations: the function; called with a node (or `Gates`) an argument.
        arguments: shape of each argument, or for a gated weight the shape of each
            gate.
        states: names of the states, in the order of the function's results.
        output: name of the result that is no state and leaves the cell first; None
            where the first state is the output.
        options: keyword arguments of the function, e.g. activations.

    Raises:
        CellError: the equations cannot be read; the message quotes the line.
    """
    states = tuple(states)
    names = (*((output,) if output else ()), *states)
    code = equations.__code__
    start = Origin(code.co_filename, code.co_firstlineno)
    end = _last_line(equations)
    with building():
        leaves, values = _enter(arguments, start)
        returned, named = _run(name, equations, values, options)
        found = _leave(name, returned, names, end)
        results = {
            s: _new_state(name, leaves[f"{s}_prev"], found[s], end) for s in states
        }
        first = results[states[0]]
        if output:
            first = _output(name, output, found[output], end)
    results = {OUTPUT: first, **results}
    return Graph(name, leaves, results, names=named)


def _enter(arguments: Shapes, start: Origin):
    leaves: dict[str, Node] = {}
    values: dict[str, Node | Gates] = {}
    for argument, shape in arguments.items():
        if isinstance(shape, Mapping):
            parts = {g: _value(f"{argument}.{g}", s, start) for g, s in shape.items()}
            values[argument] = Gates(argument, parts)
        else:
            parts = {"": _value(argument, shape, start)}
            values[argument] = parts[""]
        leaves |= {str(n.attribute): n for n in parts.values() if n.op is OPS["leaf"]}
    return leaves, values


def _value(name: str, shape: Shape | None, start: Origin) -> Node:
    return constant(0.0) if shape is None else leaf(name, shape, start)


def _run(name: str, equations: Callable, values: dict, options: Mapping):
    """What the equations return, and the values that they gave a name."""
    try:
        with reading(equations.__code__) as read:
            returned = equations(**values, **options)
        return returned, read.names()
    except CellError as error:
        message = str(error)
        quoted = "" if "\n" in message else "\n" + _failing_line(equations)
        raise type(error)(f"{name}: {message}{quoted}") from None
    except NameError as error:
        raise CellError(_unknown_name(name, error, equations)) from None
    except Exception as error:
        # A library's own traceback would bury the line that matters.
        raise CellError(
            f"{name}: {_reason(error)}.\n{_failing_line(equations)}\n  Hint: {_HINT}."
        ) from None


_HINT = (
    "equations are made of +, -, *, /, @ and the functions in refrain.functions; other "
    "libraries' functions are not known in a cell"
)


def _reason(error: Exception) -> str:
    if isinstance(error, AttributeError) and isinstance(error.obj, Node):
        return f"{error.obj.describe()}.{error.name} is neither a gate nor a function"
    first, *_ = str(error).splitlines() or [""]
    return f"{type(error).__name__}: {first.rstrip('.')}"


def _failing_line(equations: Callable) -> str:
    file = equations.__code__.co_filename
    frames = traceback.extract_tb(sys.exc_info()[2])
    lines = [f.lineno for f in frames if f.filename == file and f.lineno]
    line = lines[-1] if lines else equations.__code__.co_firstlineno
    return Origin(file, line).quote()


def _last_line(equations: Callable) -> Origin:
    """Where the equations return."""
    code = equations.__code__
    lines = [line for _, _, line in code.co_lines() if line]
    return Origin(code.co_filename, max(lines))


def _unknown_name(name: str, error: NameError, equations: Callable) -> str:
    own = equations.__code__.co_varnames
    hint = "import it from refrain.functions, or declare it as a weight of the cell"
    match difflib.get_close_matches(error.name or "", [*own, *_functions], n=1):
        case [near] if near in own:
            hint = f"write {near}"
        case [near]:
            hint = (
                f"did you mean {near}? Import it: from refrain.functions import {near}"
            )
    line = _failing_line(equations)
    return f"{name}: {error.name} is not known.\n{line}\n  Hint: {hint}."


def _leave(
    name: str, returned: object, names: tuple[str, ...], end: Origin
) -> dict[str, Node]:
    listed = returned if isinstance(returned, (tuple, list)) else (returned,)
    if len(listed) != len(names) or any(r is None for r in listed):
        count = 0 if returned is None else len(listed)
        raise CellError(
            f"{name}: the equations return {count} value(s).\n{end.quote()}\n"
            f"  Expected {len(names)}: return {', '.join(names)}."
        )
    try:
        found = {n: as_node(value) for n, value in zip(names, listed, strict=True)}
    except CellError as error:
        reason = str(error).partition("\n")[0]
        raise CellError(f"{name}: {reason}\n{end.quote()}") from None
    for result, node in found.items():
        if node.dtype == BOOL:
            raise CellError(
                f"{name}: {result} is a truth value.\n{node.origin.quote()}\n"
                "  Hint: choose numbers, e.g. where(condition, 1.0, 0.0)."
            )
    return found


def _output(name: str, output: str, node: Node, end: Origin) -> Node:
    if len(node.shape) != 1:
        raise CellShapeError(
            f"{name}: the output {output} has shape {node.shape}.\n"
            f"{end.quote()}\n  Expected a vector, e.g. of shape ('units',)."
        )
    return node


def _new_state(name: str, old: Node, new: Node, end: Origin) -> Node:
    state = str(old.attribute).removesuffix("_prev")
    if new is old:
        raise CellError(
            f"{name}: state {state} is never updated: the equations return "
            f"{state}_prev itself.\n{end.quote()}\n"
            f"  Hint: return the new {state}, or drop it from `state=`."
        )
    if new.shape == ():
        return op("broadcast", new, old)
    if new.shape != old.shape:
        origin = end if new.op is OPS["leaf"] else new.origin
        raise CellShapeError(
            f"{name}: state {state} has shape {old.shape} and its update "
            f"{new.shape}.\n{origin.quote()}\n"
            f"  Expected an update of shape {old.shape}."
        )
    return new
