"""The `cell` decorator: equations, with the names and layout of states and weights.

A cell knows no array library. It gives a traced graph for a choice of options, the
variables that hold its weights as Keras packs them, and the way between the two.
"""

from __future__ import annotations

import functools
import html
import inspect
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from refrain.cells.declare import (
    check_names,
    check_step,
    options_of,
    states_of,
    weights_of,
)
from refrain.cells.weights import BIAS, Variable, Weight, vector
from refrain.errors import CellError, CellShapeError
from refrain.graph.changes import LEAVES
from refrain.graph.diagram.svg import diagram
from refrain.graph.equations import text
from refrain.graph.functions import ACTIVATIONS
from refrain.graph.graph import OUTPUT, Graph
from refrain.graph.latex import latex
from refrain.graph.resets import START
from refrain.graph.trace import trace

# Names by which kernels know what enters and leaves, beside those of a step.
_TAKEN = {
    *LEAVES,
    *("y", "tape", "streams", "carry", "packed", "fixed", "scratch", "totals"),
}
_PREFIXES = ("first_", "last_", "every_", "grad_")


class Cell:
    """A recurrent cell: its equations, states, gates, weights and options.

    Call it with a number of units to use it in a layer: `layers.RNN(mgu(128))`.
    `@cell` makes one of a function, `Cell` itself of the traced equations of one
    choice of options.

    Attributes:
        name: the function's name.
        states: size of each state by name, e.g. {"h": "units", "c": "units"}.
        sizes: names of the sizes that it is called with: `units`, then any others.
        gates: names of the gates, in the order in which weights are packed.
        weights: declaration of each weight argument.
        options: defaults of the function's keyword arguments, and `use_bias`.
        output: name of the result that is no state and leaves the cell first.
        equations: the function; None where only its graph is known.
    """

    def __init__(
        self,
        name: str,
        states: Mapping[str, str],
        gates: Iterable[str],
        weights: Mapping[str, Weight],
        equations: Callable | Graph,
        options: Mapping[str, Any] | None = None,
        output: str | None = None,
    ):
        self.name = name
        self.states = dict(states)
        self.gates = tuple(gates)
        self.weights = dict(weights)
        self.options = {**(options or {})}
        self.options.setdefault("use_bias", True)
        self.output = output
        named = {s for w in self.weights.values() for s in w.shape}
        others = (named | set(self.states.values())) - {"features", "units"}
        self.sizes = ("units", *sorted(others))
        self.equations = None
        self._graphs: dict[tuple, Graph] = {}
        check_names(name, self.states, self.weights)
        self._check_variables()
        if isinstance(equations, Graph):
            there = {n: w for n, w in self.weights.items() if self.has(w, self.options)}
            check_step(name, self.states, there, equations)
            self._graphs[tuple(self.options.values())] = equations
        else:
            self.equations = equations
            functools.update_wrapper(self, equations)
        self.graph()  # a mistake shows where the cell is written, not where it is used

    def __repr__(self) -> str:
        return f"<cell {self.name}>"

    def __reduce__(self) -> str:
        """Pickled, and copied, as the name by which its module knows it."""
        return getattr(self, "__qualname__", self.name)

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

    def graph(self, **options: Any) -> Graph:
        """The traced equations for a choice of options."""
        options = self.resolve(options)
        key = tuple(options.values())
        if key not in self._graphs:
            self._graphs[key] = self._trace(options)
        return self._graphs[key]

    def diagram(self, **options: Any) -> str:
        """One step of the cell as a picture: the text of an SVG file."""
        return diagram(self.graph(**options), self.output or OUTPUT)

    def latex(self, **options: Any) -> str:
        """The equations as LaTeX, with the letters of the source."""
        return latex(self.graph(**options))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        """What a notebook shows, and a console that knows no pictures."""
        plain = f"{self!r}\n{text(self.graph())}"
        return {"text/html": self._repr_html_(), "text/plain": plain}

    def _repr_html_(self) -> str:
        """The picture and the equations."""
        return f"{self.diagram()}\n$$\n{html.escape(self.latex(), quote=False)}$$"

    def _trace(self, options: dict[str, Any]) -> Graph:
        if self.equations is None:
            known = ", ".join(f"{k}={v!r}" for k, v in self.options.items())
            raise CellError(
                f"{self.name}: the equations are known for {known} alone.\n"
                "  Hint: other options need the cell's source."
            )
        arguments: dict[str, Any] = {"x": ("features",)}
        arguments |= {f"{s}_prev": (size,) for s, size in self.states.items()}
        for name, weight in self.weights.items():
            shape = weight.shape if self.has(weight, options) else None
            arguments[name] = dict.fromkeys(weight.gates, shape) or shape
        own = {name: value for name, value in options.items() if name != "use_bias"}
        return trace(
            self.name, self.equations, arguments, self.states, self.output, own
        )

    def resolve(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """All options, defaults filled in and activations looked up by name."""
        unknown = set(options) - set(self.options)
        if unknown:
            raise CellError(
                f"{self.name}: unknown option(s) {', '.join(sorted(unknown))}; "
                f"expected among {', '.join(self.options)}"
            )
        chosen = {**self.options, **options}
        for name, default in self.options.items():
            if callable(default) and not callable(chosen[name]):
                chosen[name] = find_activation(chosen[name])
            if not _may_replace(default, chosen[name]):
                raise CellError(
                    f"{self.name}: expected {name} to be {_kind_of(default)}, "
                    f"received {chosen[name]!r}"
                )
        return chosen

    def variables(
        self, sizes: Mapping[str, int], **options: Any
    ) -> tuple[Variable, ...]:
        """The arrays that hold the weights, in Keras's order."""
        options = self.resolve(options)
        packed: dict[str, dict[str, Weight]] = {}
        for name, weight in self.weights.items():
            if self.has(weight, options):
                packed.setdefault(weight.variable, {})[name] = weight
        made = []
        for name, weights in packed.items():
            shape = next(iter(weights.values())).packed_shape(sizes)
            stack = (len(weights),) if len(weights) > 1 else ()
            made.append(Variable(name, weights, (*stack, *shape)))
        return tuple(made)

    @staticmethod
    def has(weight: Weight, options: Mapping[str, Any]) -> bool:
        """Whether a weight exists for a choice of all options."""
        wanted = weight.when is None or bool(options[weight.when])
        return wanted and (options["use_bias"] or weight.variable != BIAS)

    def _check_variables(self) -> None:
        first: dict[str, tuple[str, Weight]] = {}
        for name, weight in self.weights.items():
            if weight.variable in _TAKEN or weight.variable.startswith(_PREFIXES):
                raise CellError(
                    f"{self.name}: {name} is stored as {weight.variable}, a name that "
                    "kernels use.\n  Hint: give it another `variable=`."
                )
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
        (size,) = self.graph.results[OUTPUT].shape
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
    gates = tuple(gates)

    def define(equations: Callable) -> Cell:
        if not inspect.isfunction(equations):
            raise CellError(
                f"expected a function of the equations, received {equations!r}"
            )
        name = equations.__name__
        states = states_of(name, state)
        options = options_of(equations)
        declared = weights_of(equations, states, gates, weights)
        made = Cell(name, states, gates, declared, equations, options, output)
        DEFINED.setdefault(name, []).append(made)
        return made

    return define


DEFINED: dict[str, list[Cell]] = {}  # what `@cell` made in this process, by name


def _kind_of(default: Any) -> str:
    if isinstance(default, bool):
        return "True or False"
    return "a number" if isinstance(default, Real) else "a number, a name or a function"


def _may_replace(default: Any, value: Any) -> bool:
    """Whether an option may have a value in place of its default."""
    if isinstance(default, bool):
        return isinstance(value, (bool, np.bool_))
    if isinstance(default, Real):
        number = isinstance(value, Real) and not isinstance(value, bool)
        return number and math.isfinite(value)
    return isinstance(value, Hashable)


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
