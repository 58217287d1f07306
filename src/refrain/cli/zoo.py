"""`refrain cells` and `refrain show`: the cells that are there, and one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from refrain.cells import Cell
    from refrain.cells.cost import Counts
    from refrain.runtime.driver import Request

Features = Annotated[int, typer.Option(metavar="N", min=1, help="Size of the input.")]
Units = Annotated[
    int, typer.Option(metavar="N", min=1, help="Units, and every other size.")
]
Sizes = dict[str, int]


def cells(
    features: Features = 32,
    units: Units = 128,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON in place of a table.")
    ] = False,
) -> None:
    """List the cells that are there: year, states, gates and cost.

    Parameters, and multiply-adds of one step of one sample, are for the sizes given.
    """
    from refrain.cells import ALL

    rows = [_facts(cell, _sizes(cell, features, units)) for cell in ALL]
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    shown = [[_shown(value) for value in row.values()] for row in rows]
    table = [[key.replace("_", "-") for key in rows[0]], *shown]
    # The source comes last and is as long as it is.
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        padded = (c.ljust(w) for c, w in zip(line, widths, strict=True))
        print("  ".join(padded).rstrip())


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="CELL",
            help="A cell that `refrain cells` lists, or one of a file: file.py:cell.",
            show_default=False,
        ),
    ],
    features: Features = 32,
    units: Units = 128,
    size: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=N",
            help="Another size of the cell: context=40.",
            show_default=False,
        ),
    ] = None,
    latex: Annotated[
        bool, typer.Option("--latex", help="Print the equations as LaTeX alone.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Also what its kernel computes when.")
    ] = False,
    diagram: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a diagram, as .svg or .png."),
    ] = None,
) -> None:
    """Show a cell: its equations, states, gates and cost.

    Parameters and the operations of one step of one sample are given as formulas of f
    features and u units, and as numbers for the sizes given.
    """
    from refrain.cells.find import find_cell
    from refrain.graph.equations import text

    cell = find_cell(name)
    sizes = _sizes(cell, features, units, size or ())
    if diagram:
        from refrain.study.diagram import write_diagram

        write_diagram(cell.diagram(), diagram)
    if latex:
        print(cell.latex(), end="")
        return
    print(text(cell.graph()))
    _tell(cell, sizes)
    if plan:
        from refrain.plan.show import show as plan_text
        from refrain.runtime.driver import kernel_for

        print(f"\n{plan_text(kernel_for(_training(cell, sizes)).plan)}", end="")


def _sizes(cell: Cell, features: int, units: int, others: Iterable[str] = ()) -> Sizes:
    """What the sizes of a cell are, of which some may be given as `name=number`."""
    from refrain.errors import CellError

    sizes = {"features": features, **dict.fromkeys(cell.sizes, units)}
    for given in others:
        name, _, number = given.partition("=")
        if name not in cell.sizes[1:] or not number.isdecimal() or not int(number):
            known = " or ".join(f"{name}=N" for name in cell.sizes[1:])
            expected = f"expected {known}" if known else "expected none but --units"
            raise CellError(f"{cell.name}: --size {given}: {expected}")
        sizes[name] = int(number)
    return sizes


def _training(cell: Cell, sizes: Sizes) -> Request:
    from refrain.runtime.driver import Request

    sized = cell(**{name: sizes[name] for name in cell.sizes})
    return Request(sized, sizes["features"], training=True)


def _tell(cell: Cell, sizes: Sizes) -> None:
    from refrain.cells.cost import formula, number, parameters, pointwise, products

    facts = _facts(cell, sizes)
    facts["states"] = ", ".join(f"{s} ({size})" for s, size in cell.states.items())
    for key in ("source", "states", "gates", "linear"):
        print(f"{key}: {_shown(facts[key])}")
    costs = {
        "parameters": parameters(cell),
        "multiply-adds": products(cell.graph()),
        "pointwise": pointwise(cell.graph()),
    }
    for name, counts in costs.items():
        print(f"{name}: {formula(counts)} = {_shown(number(counts, sizes))}")
    print("memory in float32:")
    for name, (counts, of) in _memory(cell, sizes).items():
        size = _shown(4 * number(counts, sizes))
        print(f"  {name}: {formula(counts)} numbers{of} = {size} bytes")
    letters = {"features": "f = {} features", "units": "u = {} units"}
    told = (letters.get(n, f"{n} = {{}}").format(size) for n, size in sizes.items())
    print(f"for {', '.join(told)}")


def _memory(cell: Cell, sizes: Sizes) -> dict[str, tuple[Counts, str]]:
    """What has to be kept, and of what there is one."""
    from collections import Counter

    from refrain.cells.cost import parameters, states
    from refrain.runtime.driver import tape_shapes

    return {
        "weights": (parameters(cell), ""),
        "states": (states(cell), " a sample"),
        "tape of training": (
            Counter(tape_shapes(_training(cell, sizes))),
            " a sample and step",
        ),
    }


def _facts(cell: Cell, sizes: Sizes) -> dict[str, Any]:
    from refrain.cells.cost import number, parameters, products
    from refrain.graph.linear import linear_levels

    graph = cell.graph()
    source, year = source_of(cell)
    return {
        "name": cell.name,
        "year": year,
        "states": list(cell.states),
        "gates": list(cell.gates),
        "parameters": number(parameters(cell), sizes),
        "multiply_adds": number(products(graph), sizes),
        "linear": bool(linear_levels(graph, list(cell.states))),
        "source": source,
    }


def source_of(cell: Cell) -> tuple[str, int | None]:
    """Authors and year from the docstring's `Source:`."""
    found = re.search(r"Source: (.*?(\d{4}))\b", cell.__doc__ or "", re.DOTALL)
    return (" ".join(found[1].split()), int(found[2])) if found else ("", None)


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}" if value > 9999 else str(value)
        case list():
            return " ".join(value) or "-"
        case _:
            return str(value) or "-"
