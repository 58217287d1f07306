"""`refrain cells` and `refrain show`: the cells that are there, and one of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from refrain.cells import Cell
    from refrain.cells.cost import Counts

Features = Annotated[int, typer.Option(metavar="N", min=1, help="Size of the input.")]
Units = Annotated[
    int, typer.Option(metavar="N", min=1, help="Units, and every other size.")
]


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

    rows = [_facts(cell, features, units) for cell in ALL]
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

    Parameters, and multiply-adds of one step of one sample, are given as formulas of f
    features and u units, and as numbers for the sizes given.
    """
    from refrain.cells.find import find_cell
    from refrain.graph.equations import text

    cell = find_cell(name)
    if diagram:
        from refrain.study.diagram import write_diagram

        write_diagram(cell.diagram(), diagram)
    if latex:
        print(cell.latex(), end="")
        return
    print(text(cell.graph()))
    _tell(cell, features, units)
    if plan:
        from refrain.plan.show import show as plan_text
        from refrain.runtime.driver import Request, kernel_for

        sized = cell(**dict.fromkeys(cell.sizes, units))
        kernel = kernel_for(Request(sized, features, training=True))
        print(f"\n{plan_text(kernel.plan)}", end="")


def _tell(cell: Cell, features: int, units: int) -> None:
    from refrain.cells.cost import formula, number, parameters, products

    facts = _facts(cell, features, units)
    facts["states"] = ", ".join(f"{s} ({size})" for s, size in cell.states.items())
    formulas = {
        "parameters": formula(parameters(cell)),
        "multiply_adds": formula(products(cell.graph())),
    }
    for key in ("source", "states", "gates", "linear", *formulas):
        value = _shown(facts[key])
        if key in formulas:
            value = f"{formulas[key]} = {value}"
        print(f"{key.replace('_', '-')}: {value}")
    sizes = {"features": features, **dict.fromkeys(cell.sizes, units)}
    print("memory in float32:")
    for name, (counts, of) in _memory(cell, features, units).items():
        size = _shown(4 * number(counts, sizes))
        print(f"  {name}: {formula(counts)} numbers{of} = {size} bytes")
    print(f"for f = {features} features, u = {units} units")


def _memory(cell: Cell, features: int, units: int) -> dict[str, tuple[Counts, str]]:
    """What has to be kept, and of what there is one."""
    from collections import Counter

    from refrain.cells.cost import parameters, states
    from refrain.runtime.driver import Request, tape_shapes

    sized = cell(**dict.fromkeys(cell.sizes, units))
    tape = Counter(tape_shapes(Request(sized, features, training=True)))
    return {
        "weights": (parameters(cell), ""),
        "states": (states(cell), " a sample"),
        "tape of training": (tape, " a sample and step"),
    }


def _facts(cell: Cell, features: int, units: int) -> dict[str, Any]:
    from refrain.cells.cost import number, parameters, products
    from refrain.graph.linear import linear_levels

    graph = cell.graph()
    sizes = {"features": features, **dict.fromkeys(cell.sizes, units)}
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
