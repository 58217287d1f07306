"""`refrain check`: is a cell fit to be trained?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refrain.errors import CellError

if TYPE_CHECKING:
    from rich.table import Table

    from refrain.cells import Cell
    from refrain.study.check import Checked

FAULTY = 1


def check(
    name: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A Python file that defines cells, or one cell of it: file.py:cell.",
            show_default=False,
        ),
    ],
    features: Annotated[
        int, typer.Option(metavar="N", min=1, help="Size of the input.")
    ] = 32,
    units: Annotated[
        int, typer.Option(metavar="N", min=1, help="Units, and every other size.")
    ] = 32,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON in place of a table.")
    ] = False,
) -> None:
    """Check the cells of a file: equations, gradient, kernel, stability, cost.

    The file is run, as `python FILE` runs it. The gradient is held against a difference
    along a random direction, the kernel against the interpreter, both in float64.
    Exits with 1 where something is wrong.
    """
    cells, fault = _cells_of(name)
    from refrain.study.check import check_cell

    found = {name: check_cell(cell, features, units) for name, cell in cells.items()}
    if as_json:
        rows = {name: asdict(checked) for name, checked in found.items()}
        told = {"cells": rows, "fault": str(fault) if fault else None}
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        _tell(found, fault)
    if fault or any(checked.faults for checked in found.values()):
        raise typer.Exit(FAULTY)


def _cells_of(name: str) -> tuple[dict[str, Cell], CellError | None]:
    """The cells to check, and what kept the file from giving more of them."""
    from refrain.cells.find import find_cell, run_file

    if not name.endswith(".py"):
        cell = find_cell(name)
        return {cell.name: cell}, None
    found = run_file(Path(name))
    if not found.own and not found.fault:
        raise CellError(
            f"{name}: defines no cell; write @refrain.cell above a function"
        )
    return found.own, found.fault


def _tell(found: dict[str, Checked], fault: CellError | None) -> None:
    from rich.console import Console

    from refrain.cli.tables import print_table

    out = Console(highlight=False)
    if found:
        print_table(out, _table(found))
    faults = [f"{n}: {text}" for n, checked in found.items() for text in checked.faults]
    if fault:
        faults.append(f"{fault}\nCells below that line were not read.")
    for text in faults or ["nothing wrong"]:
        out.print(text, markup=False, soft_wrap=True)


def _table(found: dict[str, Checked]) -> Table:
    from refrain.cli.tables import new_table

    heads = ("gradient", "kernel", "radius", "growth", "params", "mul-adds", "µs/step")
    table = new_table(("cell", "", *heads))
    for name, checked in found.items():
        table.add_row(
            name,
            "wrong" if checked.faults else "well",
            f"{checked.gradient_error:.0e}",
            f"{checked.kernel_error:.0e}",
            f"{checked.radius:.2f}",
            f"{checked.growth:.2f}",
            f"{checked.parameters:,}",
            f"{checked.multiply_adds:,}",
            f"{checked.step_us:.2g}",
        )
    return table
