"""What a cell costs, from its declarations and equations: as formulas and numbers.

A count is a number of arrays of each symbolic shape: the shapes of weights, those of
the matrices that one step multiplies with, or those of what it computes pointwise.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from refrain.cells.define import Cell
from refrain.graph.graph import Graph
from refrain.graph.node import Shape
from refrain.graph.ops import OPS, PRODUCTS

Counts = Mapping[Shape, int]
_LETTERS = {"features": "f", "units": "u"}
_FREE = (*PRODUCTS, OPS["broadcast"], OPS["size"])  # of no pointwise operation


def parameters(cell: Cell) -> Counts:
    """Shapes of the weights that the cell's default options give it."""
    found: Counter[Shape] = Counter()
    for weight in cell.weights.values():
        if cell.has(weight, cell.options):
            found[weight.shape] += weight.parts
    return found


def states(cell: Cell) -> Counts:
    """Shapes of the states: what one sample carries from step to step."""
    return Counter((size,) for size in cell.states.values())


def products(graph: Graph) -> Counts:
    """Shapes of the matrices of one step's products, a multiply-add an entry."""
    return Counter(n.inputs[1].shape for n in graph.nodes() if n.op in PRODUCTS)


def pointwise(graph: Graph) -> Counts:
    """Shapes of one step's sums, functions and means, an operation an entry."""
    made = [n for n in graph.nodes() if n.inputs and n.op not in _FREE]
    return Counter(max((n.shape, *(i.shape for i in n.inputs)), key=len) for n in made)


def number(counts: Counts, sizes: Mapping[str, int]) -> int:
    """How many entries the arrays have together."""
    return sum(n * math.prod(sizes[s] for s in shape) for shape, n in counts.items())


def formula(counts: Counts) -> str:
    """The same with f for features and u for units: `4·(f·u + u² + u)`."""
    if not counts:
        return "0"
    common = math.gcd(*counts.values())
    terms = [_term(n // common, shape) for shape, n in counts.items()]
    inside = " + ".join(terms)
    if common == 1:
        return inside
    return f"{common}·({inside})" if len(terms) > 1 else f"{common}·{inside}"


def _term(count: int, shape: Shape) -> str:
    letters = [_LETTERS.get(size, size) for size in shape]
    if len(letters) == 2 and letters[0] == letters[1]:
        letters = [f"{letters[0]}²"]
    if count > 1 or not letters:
        letters = [str(count), *letters]
    return "·".join(letters)
