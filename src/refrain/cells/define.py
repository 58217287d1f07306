"""The `cell` decorator: equations, with the names and layout of states and weights.

A cell knows no array library. It gives a traced graph for a choice of options, the
variables that hold its weights as Keras packs them, and the way between the two.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral
from typing import Any

from refrain.errors import CellError, CellShapeError
from refrain.graph.functions import ACTIVATIONS
from refrain.graph.graph import Graph
from refrain.graph.node import Shape
from refrain.graph.trace import trace

BIAS = "bias"


@dataclass(frozen=True)
class Weight:
    """Declaration of one weight argument of a cell's equations.

    Attributes:
        shape: symbolic shape of one gate's part, e.g. ("features", "units").
        variable: the Keras variable that holds it. Weights of one variable are
            stacked along a new first axis.
        gates: the gates that have a part, packed side by side along the last axis in
            this order; empty for a weight of one part.
        initializer: name of a Keras initialiser, or a constant; for the whole
            variable.
        by_gate: other initialisers for single gates.
        when: name of an option without which the weight does not exist.
    """

    shape: Shape
    variable: str
    gates: tuple[str, ...] = ()
    initializer: str | float = "glorot_uniform"
    by_gate: Mapping[str, str | float] = field(default_factory=dict)
    when: str | None = None

    def __post_init__(self):
        unknown = set(self.by_gate) - set(self.gates)
        if unknown:
            raise CellError(
                f"by_gate: {', '.join(sorted(unknown))} is no gate of this weight; "
                f"expected among {', '.join(self.gates) or 'none'}"
            )

    @property
    def parts(self) -> int:
        """How many parts lie side by side along the last axis."""
        return max(1, len(self.gates))

    def packed_shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """The shape in numbers, all parts side by side."""
        shape = tuple(sizes[s] for s in self.shape)
        if not shape:
            return (self.parts,) if self.gates else ()
        return (*shape[:-1], shape[-1] * self.parts)


def matrix(rows="features", columns="units", variable="", **declaration) -> Weight:
    """Declare a matrix, used as `vector @ matrix`."""
    return Weight((rows, columns), variable, **declaration)


def vector(size="units", variable="", initializer="zeros", **declaration) -> Weight:
    """Declare a vector with one number a unit, e.g. a peephole or a bias."""
    return Weight((size,), variable, initializer=initializer, **declaration)


def scalar(variable="", initializer="zeros", **declaration) -> Weight:
    """Declare one trained number."""
    return Weight((), variable, initializer=initializer, **declaration)


_USUAL = {
    "W": matrix("features", "units", "kernel"),
    "U": matrix("units", "units", "recurrent_kernel", initializer="orthogonal"),
    "b": vector("units", BIAS),
}


@dataclass(frozen=True)
class Variable:
    """One array of a cell as Keras stores it: one or more weights, packed.

    Attributes:
        name: `kernel`, `recurrent_kernel`, `bias`, ...
        weights: the weights that it holds by argument name; several are stacked.
        shape: its shape in numbers.
    """

    name: str
    weights: Mapping[str, Weight]
    shape: tuple[int, ...]

    def unpack(self, array: Any) -> dict[str, Any]:
        """Views of `array`, one a leaf of the graph (`W.i`)."""
        if tuple(array.shape) != self.shape:
            raise CellShapeError(
                f"{self.name}: expected shape {self.shape}, received "
                f"{tuple(array.shape)}.\n  Hint: gates are packed side by side along "
                "the last axis, as Keras packs them."
            )
        parts: dict[str, Any] = {}
        for row, (argument, weight) in enumerate(self.weights.items()):
            block = array[row] if len(self.weights) > 1 else array
            if not weight.gates:
                parts[argument] = block
                continue
            width = block.shape[-1] // weight.parts
            for k, gate in enumerate(weight.gates):
                part = block[..., k * width : (k + 1) * width]
                parts[f"{argument}.{gate}"] = part
        return parts


class Cell:
    """A recurrent cell: its equations, states, gates, weights and options.

    Call it with a number of units to use it in a layer: `layers.RNN(mgu(128))`.

    Attributes:
        name: the function's name.
        states: size of each state by name, e.g. {"h": "units", "c": "units"}.
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
        arguments = [p.name for p in signature if p.kind != p.KEYWORD_ONLY]
        self.weights = self._declare(arguments, weights)
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
        names = {s for w in self.weights.values() for s in w.shape}
        names = (names | set(self.states.values())) - {"features", "units"}
        missing = names - set(options)
        if missing:
            raise CellError(f"{self.name}: expected the size(s) {sorted(missing)}")
        sizes = {"units": units, **{n: options.pop(n) for n in sorted(names)}}
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
            raise CellError(
                f"{self.name}: the arguments start with ({', '.join(arguments)}).\n"
                f"  Expected ({', '.join(entering)}, ...): the input, then the "
                "previous value of each state."
            )
        weights: dict[str, Weight] = {}
        for name in arguments[len(entering) :]:
            if name in declared:
                weight = declared[name]
            elif name in _USUAL:
                weight = replace(_USUAL[name], gates=self.gates)
            else:
                raise CellError(
                    f"{self.name}: the argument {name} is not declared.\n"
                    f"  Expected W, U, b, or a declaration: "
                    f"@cell(..., {name}=vector()), matrix() or scalar()."
                )
            self._check(name, weight)
            weights[name] = replace(weight, variable=weight.variable or name)
        unused = set(declared) - set(weights)
        if unused:
            raise CellError(
                f"{self.name}: {', '.join(sorted(unused))} declared, but no argument "
                "of the equations"
            )
        self._check_stacked(weights)
        return weights

    def _check(self, name: str, weight: Weight) -> None:
        if not isinstance(weight, Weight):
            raise CellError(
                f"{self.name}: expected {name} to be declared with matrix(), vector() "
                f"or scalar(), received {weight!r}"
            )
        if weight.when is not None and weight.when not in self.options:
            raise CellError(
                f"{self.name}: {name} exists when={weight.when!r}, which is no option; "
                f"expected among {', '.join(self.options) or 'none'}"
            )

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
