"""Reads what a cell's function declares by its arguments, and holds a graph to it.

The arguments are `x`, the previous value of each state, weights; options after a star.
"""

from __future__ import annotations

import inspect
import linecache
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from refrain.cells.weights import USUAL, Weight
from refrain.errors import CellError, CellShapeError
from refrain.graph.changes import LEAVES, RESULTS
from refrain.graph.graph import INPUT, OUTPUT, Graph
from refrain.graph.node import BOOL, Origin


def states_of(
    name: str, state: str | Iterable[str] | Mapping[str, str]
) -> dict[str, str]:
    """The size of each state by name; `units` where nothing else is said."""
    if isinstance(state, str):
        state = (state,)
    if not isinstance(state, Mapping):
        state = dict.fromkeys(state, "units")
    if not state:
        raise CellError(f'{name}: expected at least one state, e.g. state="h"')
    return dict(state)


def options_of(equations: Callable) -> dict[str, Any]:
    """Defaults of a function's options.

    Raises:
        CellError: one has none.
    """
    parameters = inspect.signature(equations).parameters.values()
    options = {p.name: p.default for p in parameters if p.kind == p.KEYWORD_ONLY}
    if bare := [n for n, v in options.items() if v is inspect.Parameter.empty]:
        raise mistake(
            equations,
            f"the option {bare[0]} has no default",
            "Expected a default for each, e.g. *, activation=tanh.",
        )
    return options


def weights_of(
    equations: Callable,
    states: Iterable[str],
    gates: tuple[str, ...],
    declared: Mapping[str, Weight],
) -> dict[str, Weight]:
    """The declaration of each weight among a function's arguments.

    Raises:
        CellError: the arguments and the declarations contradict each other.
    """
    signature = inspect.signature(equations)
    parameters = signature.parameters.values()
    arguments = [p.name for p in parameters if p.kind != p.KEYWORD_ONLY]
    entering = ["x", *(f"{s}_prev" for s in states)]
    if arguments[: len(entering)] != entering:
        raise mistake(
            equations,
            f"the arguments start with ({', '.join(arguments)})",
            f"Expected ({', '.join(entering)}, ...): the input, then the previous "
            "value of each state.",
        )
    weights: dict[str, Weight] = {}
    for name in arguments[len(entering) :]:
        if name in declared:
            weight = declared[name]
        elif name in USUAL:
            weight = replace(USUAL[name], gates=gates)
        elif signature.parameters[name].default is not inspect.Parameter.empty:
            raise mistake(
                equations,
                f"the argument {name} has a default, as options have",
                f"Expected a star before it, e.g. ..., *, {name}=0.5.",
            )
        else:
            raise mistake(
                equations,
                f"the argument {name} is not declared",
                "Expected W, U, b, or a declaration: "
                f"@cell(..., {name}=vector()), matrix() or scalar().",
            )
        _check(equations, name, weight)
        weights[name] = replace(weight, variable=weight.variable or name)
    unused = set(declared) - set(weights)
    if unused:
        names = ", ".join(sorted(unused))
        raise mistake(
            equations,
            f"{names} declared, but no argument of the equations",
            f"Expected {names} among the arguments, or no declaration.",
        )
    return weights


def _check(equations: Callable, name: str, weight: Weight) -> None:
    if not isinstance(weight, Weight):
        raise mistake(
            equations,
            f"{name} is declared as {weight!r}",
            "Expected matrix(), vector() or scalar().",
        )
    if weight.when is None:
        return
    options = options_of(equations)
    if weight.when not in options:
        raise mistake(
            equations,
            f"{name} exists when={weight.when!r}, which is no option",
            f"Expected one of the options: {', '.join(options) or 'none'}.",
        )


def check_names(name: str, states: Iterable[str], weights: Iterable[str]) -> None:
    """Refuse names by which a step knows something else.

    Raises:
        CellError: a weight or a state has such a name.
    """
    leaves = {*LEAVES, *(f"{state}_prev" for state in states)}
    for given, taken in ((weights, leaves), (states, RESULTS)):
        for wrong in sorted(set(given) & set(taken)):
            raise CellError(
                f"{name}: {wrong} is what a step calls something else.\n"
                f"  Hint: give it a name other than {', '.join(sorted(taken))}."
            )


def check_step(
    name: str,
    states: Mapping[str, str],
    weights: Mapping[str, Weight],
    graph: Graph,
) -> None:
    """Hold a graph that was not traced here to what it is said to be a step of.

    Raises:
        CellError: its leaves or results are not those of the declarations.
    """
    entering = {INPUT: ("features",)} | {f"{s}_prev": (states[s],) for s in states}
    for weight, declared in weights.items():
        parts = [f"{weight}.{gate}" for gate in declared.gates] or [weight]
        entering |= dict.fromkeys(parts, declared.shape)
    if OUTPUT not in graph.results:
        raise CellError(f"{name}: expected a result named output")
    leaving = {OUTPUT: graph.results[OUTPUT].shape}
    leaving |= {s: (states[s],) for s in states}
    for kind, found, expected in (
        ("leaf", graph.leaves, entering),
        ("result", graph.results, leaving),
    ):
        shapes = {n: node.shape for n, node in found.items()}
        for wrong, _ in sorted(shapes.items() ^ expected.items()):
            raise CellShapeError(
                f"{name}: {kind} {wrong}: expected the shape {expected.get(wrong)}, "
                f"received {shapes.get(wrong)}"
            )
    if len(leaving[OUTPUT]) != 1:
        raise CellShapeError(f"{name}: expected a vector as output")
    for result, node in graph.results.items():
        if node.dtype == BOOL:
            raise CellError(f"{name}: {result} is a truth value")
        if node is graph.leaves.get(f"{result}_prev"):
            raise CellError(f"{name}: state {result} is never updated")
    if any(node.op.name == "outer" for node in graph.nodes()):
        raise CellError(f"{name}: expected one step, received a gradient")


def mistake(equations: Callable, what: str, instead: str) -> CellError:
    """An error about the line of a function's arguments."""
    code = equations.__code__
    line = code.co_firstlineno  # of a decorator, if there is one
    lines = linecache.getlines(code.co_filename)[line - 1 :]
    above = (k for k, text in enumerate(lines) if text.lstrip().startswith("def "))
    quoted = Origin(code.co_filename, line + next(above, 0)).quote()
    return CellError(f"{equations.__name__}: {what}.\n{quoted}\n  {instead}")
