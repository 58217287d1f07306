"""The `cell` decorator: equations, with the names and layout of states and weights.

A cell knows no array library. It gives a traced graph for a choice of options, the
variables that hold its weights as Keras packs them, and the way between the two.
"""

from __future__ import annotations

import functools
import inspect
import linecache
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

from refrain.cells.weights import BIAS, USUAL, Variable, Weight, vector
from refrain.errors import CellError, CellShapeError
from refrain.graph.functions import ACTIVATIONS
from refrain.graph.graph import Graph
from refrain.graph.node import Origin
from refrain.graph.resets import START
from refrain.graph.trace import trace


class Cell:
    """A recurrent cell: its equations, states, gates, weights and options.

    Call it with a number of units to use it in a layer: `layers.RNN(mgu(128))`.

    Attributes:
        name: the function's name.
        states: size of each state by name, e.g. {"h": "units", "c": "units"}.
        sizes: names of the sizes that it is called with: `units`, then any others.
        gates: names of the gates, in the order in which weights are packed.
        weights: declaration of each weight argument.
        options: defaults of the function's keyword arguments.
    """

    def __init__(
        self,
        equations: Callable,
        state: str | Iterable[str] | Mapping[str, str],
        gates: Iterable[str] = (),
        output: str | None = None,
        **weights: Weight,
    ):
        self.equations = equations
        self.name = equations.__name__
        self.gates = tuple(gates)
        self.output = output
        if isinstance(state, str):
            state = (state,)
        if not isinstance(state, Mapping):
            state = dict.fromkeys(state, "units")
        self.states: dict[str, str] = dict(state)
        if not self.states:
            raise CellError(f'{self.name}: expected at least one state, e.g. state="h"')
        signature = inspect.signature(equations).parameters.values()
        keywords = [p for p in signature if p.kind == p.KEYWORD_ONLY]
        self.options = {p.name: p.default for p in keywords}
        if inspect.Parameter.empty in self.options.values():
            raise self._mistake(
                "an option has no default",
                "Expected a default for each, e.g. *, activation=tanh.",
            )
        arguments = [p.name for p in signature if p.kind != p.KEYWORD_ONLY]
        self.weights = self._declare(arguments, weights)
        named = {s for w in self.weights.values() for s in w.shape}
        others = (named | set(self.states.values())) - {"features", "units"}
        self.sizes = ("units", *sorted(others))
        functools.update_wrapper(self, equations)
        self._graphs: dict[tuple, Graph] = {}
        self.graph()  # a mistake shows where the cell is written, not where it is used
        _DEFINED[self.name] = self

    def __repr__(self) -> str:
        return f"<cell {self.name}>"

    def __call__(self, units: int, **options: Any) -> SizedCell:
        """This cell with a number of units and other options than the defaults.

        Args:
            units: size of the hidden state, at least 1.
            **options: the cell's own options (`activation="relu"`), other sizes that
                its declarations name (`projection=64`), and `use_bias`.
        """
        others = self.sizes[1:]
        missing = [n for n in others if n not in options]
        if missing:
            raise CellError(
                f"{self.name}: expected the size(s) {', '.join(missing)}.\n"
                f"  Hint: write {self.name}({units}, {missing[0]}=...)."
            )
        sizes = {"units": units, **{n: options.pop(n) for n in others}}
        for name, size in sizes.items():
            if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
                raise CellError(
                    f"{self.name}: expected {name} to be an integer of at least 1, "
                    f"received {size!r}"
                )
            sizes[name] = int(size)
        self.graph(**options)
        return SizedCell(self, sizes, options)

    def graph(self, use_bias: bool = True, **options: Any) -> Graph:
        """The traced equations for a choice of options."""
        options = self.resolve(options)
        key = (use_bias, *options.values())
        if key not in self._graphs:
            arguments: dict[str, Any] = {"x": ("features",)}
            arguments |= {f"{s}_prev": (size,) for s, size in self.states.items()}
            for name, weight in self.weights.items():
                there = self._exists(weight, use_bias, options)
                shape = weight.shape if there else None
                gated = dict.fromkeys(weight.gates, shape)
                arguments[name] = gated or shape
            self._graphs[key] = trace(
                self.name, self.equations, arguments, self.states, self.output, options
            )
        return self._graphs[key]

    def resolve(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """All options, defaults filled in and activations looked up by name."""
        unknown = set(options) - set(self.options)
        if unknown:
            raise CellError(
                f"{self.name}: unknown option(s) {', '.join(sorted(unknown))}; "
                f"expected among {', '.join(self.options) or 'none'}"
            )
        chosen = {**self.options, **options}
        for name, default in self.options.items():
            if callable(default) and not callable(chosen[name]):
                chosen[name] = find_activation(chosen[name])
            if not isinstance(chosen[name], Hashable):
                raise CellError(
                    f"{self.name}: expected {name} to be a number, a name or a "
                    f"function, received {chosen[name]!r}"
                )
        return chosen

    def variables(
        self, sizes: Mapping[str, int], use_bias: bool = True, **options: Any
    ) -> tuple[Variable, ...]:
        """The arrays that hold the weights, in Keras's order."""
        options = self.resolve(options)
        packed: dict[str, dict[str, Weight]] = {}
        for name, weight in self.weights.items():
            if self._exists(weight, use_bias, options):
                packed.setdefault(weight.variable, {})[name] = weight
        made = []
        for name, weights in packed.items():
            shape = next(iter(weights.values())).packed_shape(sizes)
            stack = (len(weights),) if len(weights) > 1 else ()
            made.append(Variable(name, weights, (*stack, *shape)))
        return tuple(made)

    @staticmethod
    def _exists(weight: Weight, use_bias: bool, options: Mapping[str, Any]) -> bool:
        wanted = weight.when is None or bool(options[weight.when])
        return wanted and (use_bias or weight.variable != BIAS)

    def _declare(
        self, arguments: list[str], declared: Mapping[str, Weight]
    ) -> dict[str, Weight]:
        entering = ["x", *(f"{s}_prev" for s in self.states)]
        if arguments[: len(entering)] != entering:
            raise self._mistake(
                f"the arguments start with ({', '.join(arguments)})",
                f"Expected ({', '.join(entering)}, ...): the input, then the previous "
                "value of each state.",
            )
        weights: dict[str, Weight] = {}
        for name in arguments[len(entering) :]:
            if name in declared:
                weight = declared[name]
            elif name in USUAL:
                weight = replace(USUAL[name], gates=self.gates)
            else:
                raise self._mistake(
                    f"the argument {name} is not declared",
                    "Expected W, U, b, or a declaration: "
                    f"@cell(..., {name}=vector()), matrix() or scalar().",
                )
            self._check(name, weight)
            weights[name] = replace(weight, variable=weight.variable or name)
        unused = set(declared) - set(weights)
        if unused:
            names = ", ".join(sorted(unused))
            raise self._mistake(
                f"{names} declared, but no argument of the equations",
                f"Expected {names} among the arguments, or no declaration.",
            )
        self._check_stacked(weights)
        return weights

    def _check(self, name: str, weight: Weight) -> None:
        if not isinstance(weight, Weight):
            raise self._mistake(
                f"{name} is declared as {weight!r}",
                "Expected matrix(), vector() or scalar().",
            )
        if weight.when is not None and weight.when not in self.options:
            raise self._mistake(
                f"{name} exists when={weight.when!r}, which is no option",
                f"Expected one of the options: {', '.join(self.options) or 'none'}.",
            )

    def _mistake(self, what: str, instead: str) -> CellError:
        """An error about the line of the function's arguments."""
        code = self.equations.__code__
        line = code.co_firstlineno  # of a decorator, if there is one
        lines = linecache.getlines(code.co_filename)[line - 1 :]
        above = (k for k, text in enumerate(lines) if text.lstrip().startswith("def "))
        quoted = Origin(code.co_filename, line + next(above, 0)).quote()
        return CellError(f"{self.name}: {what}.\n{quoted}\n  {instead}")

    def _check_stacked(self, weights: Mapping[str, Weight]) -> None:
        first: dict[str, tuple[str, Weight]] = {}
        for name, weight in weights.items():
            other, like = first.setdefault(weight.variable, (name, weight))
            if (weight.shape, weight.parts) != (like.shape, like.parts):
                raise CellShapeError(
                    f"{self.name}: {other} and {name} share the variable "
                    f"{weight.variable} and have different shapes.\n"
                    "  Hint: give one of them another `variable=`."
                )


@dataclass(frozen=True)
class SizedCell:
    """A cell with its sizes and options: what a layer or a stream runs."""

    cell: Cell
    sizes: Mapping[str, int]
    options: Mapping[str, Any]

    @property
    def graph(self) -> Graph:
        """The traced equations, for these options."""
        return self.cell.graph(**self.options)

    @property
    def state_size(self) -> list[int]:
        """The size of each state, in order."""
        return [self.sizes[size] for size in self.cell.states.values()]

    @property
    def output_size(self) -> int:
        """The size of what leaves the cell."""
        (size,) = self.graph.results["output"].shape
        return self.sizes[size]

    def variables(self, features: int) -> tuple[Variable, ...]:
        """The arrays that hold the weights, in Keras's order."""
        sizes = {**self.sizes, "features": features}
        return self.cell.variables(sizes, **self.options)

    def starts(self) -> tuple[Variable, ...]:
        """One vector a state, at which a sequence may start: `start.h`."""
        return tuple(
            Variable(name, {name: vector(size, name)}, (self.sizes[size],))
            for state, size in self.cell.states.items()
            for name in (f"{START}.{state}",)
        )


def cell(
    state: str | Iterable[str] | Mapping[str, str],
    gates: Iterable[str] = (),
    output: str | None = None,
    **weights: Weight,
) -> Callable[[Callable], Cell]:
    """Make a cell of a function that reads like the paper's equations.

    The function takes `x`, the previous value of each state (`h_prev`), the weights
    and, as keyword-only arguments, its options; it returns the new states in order.

    Args:
        state: name(s) of the states; a mapping gives sizes other than `units`.
        gates: names of the gates; `W`, `U` and `b` then have one part a gate.
        output: name of a result, returned before the states, that leaves the cell;
            without it the first state does.
        **weights: declarations of weights besides the usual `W` (features × units),
            `U` (units × units) and `b` (units): see `matrix`, `vector`, `scalar`.

    Example:
        >>> @cell(state="h", gates=("f", "n"))
        ... def mgu(x, h_prev, W, U, b):
        ...     f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
        ...     n = tanh(x @ W.n + (f * h_prev) @ U.n + b.n)
        ...     return (1 - f) * h_prev + f * n
    """
    if callable(state):
        raise CellError(
            f"{getattr(state, '__name__', 'cell')}: expected the names of the states.\n"
            '  Hint: write @cell(state="h") above the equations.'
        )
    return lambda equations: Cell(equations, state, gates, output, **weights)


_DEFINED: dict[str, Cell] = {}


def find_cell(name: str) -> Cell:
    """The cell of this name that was defined last in this process."""
    if name not in _DEFINED:
        raise CellError(
            f"no cell named {name!r} is defined; expected one of "
            f"{', '.join(sorted(_DEFINED))}.\n"
            "  Hint: import the module that defines it first."
        )
    return _DEFINED[name]


def find_activation(name: Any) -> Callable:
    """An activation by its Keras name; None is linear."""
    if name is None:
        return ACTIVATIONS["linear"]
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise CellError(
            f"unknown activation {name!r}; expected one of "
            f"{', '.join(sorted(ACTIVATIONS))}, or a function of one vector"
        )
    return ACTIVATIONS[name]
