"""`refrain diagnose`: what is the matter with a model's recurrent layers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refrain.cli.command import command_line
from refrain.cli.explain import Model, check_file, load
from refrain.errors import DataError

if TYPE_CHECKING:
    from refrain.study.diagnosis import Diagnosis


def diagnose(
    model: Model,
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Sequences as the model reads them: .npy; .npz with x, and y or not; "
            ".csv of frames, a row a step, or of words as numbers, a row a sequence.",
            show_default=False,
        ),
    ],
    loss: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Keras's name of the loss for y, whose gradient is followed then.",
        ),
    ] = None,
    sequences: Annotated[
        int, typer.Option(metavar="N", min=1, help="As many are taken, at most.")
    ] = 8,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Also write a page with plots, .html."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON in place of tables.")
    ] = False,
) -> None:
    """Measure memory, gradient flow and gates of a model's recurrent layers.

    Memory and gradients are exact, from the derivatives of the equations. Tells what
    stands out and what helps.
    """
    from refrain.cli.sequences import as_input, read_sequences

    check_file(model)
    if report is not None and report.suffix != ".html":
        raise DataError(f"{report}: expected a name that ends in .html for a report")
    x, y = read_sequences(data)
    if loss is not None and y is None:
        raise DataError(f"{data}: a loss needs targets; expected an array y in an .npz")
    loaded = load(model)
    from refrain.study.diagnosis import diagnose as measure

    shape = _input_shape(loaded)
    x = as_input(x, len(shape), shape[-1])
    found = measure(loaded, x, y if loss else None, loss, sequences)
    if as_json:
        rows = [each.record() for each in found]
        print(json.dumps({"layers": rows}, indent=1, ensure_ascii=False))
    else:
        _tell(found)
    if report is not None:
        _write(report, found, model, data)


def _input_shape(model: Any) -> tuple[int | None, ...]:
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    if len(shapes) != 1 or len(shapes[0]) not in (2, 3):
        raise DataError(
            f"{model.name}: expected a model with one input of sequences, received "
            f"{len(shapes)} of the shapes {', '.join(map(str, shapes))}"
        )
    return shapes[0]


def _tell(found: tuple[Diagnosis, ...]) -> None:
    from rich.console import Console

    from refrain.cli.tables import new_table, print_table
    from refrain.study.rows import ABOUT, gate_rows, keep_lines, layer_rows

    out = Console(highlight=False)

    def show(rows: list[tuple[str, ...]]) -> None:
        table = new_table(rows[0], words=2)
        for row in rows[1:]:
            table.add_row(*row)
        print_table(out, table)

    show(layer_rows(found))
    out.print(f"  {ABOUT}", markup=False, soft_wrap=True)
    for each in found:
        out.print(each.layer, style="bold", markup=False)
        if each.activity.gates:
            show(gate_rows(each))
        for line in keep_lines(each):
            out.print(f"  {line}", markup=False, soft_wrap=True)
        for remark in each.remarks:
            text = f"{remark.kind}: {remark.finding}; {remark.advice}"
            out.print(f"  {text}", markup=False, soft_wrap=True, style="yellow")


def _write(report: Path, found: tuple[Diagnosis, ...], model: Path, data: Path) -> None:
    from refrain.report.page import write_page
    from refrain.study.sheet import make_page
    from refrain.study.versions import versions

    facts = {"model": str(model), "data": str(data), **versions("numpy")}
    title = f"Diagnosis of {model.name}"
    write_page(make_page(found, title, facts, command_line()), report)
    print(f"Written: {report}", file=sys.stderr)
