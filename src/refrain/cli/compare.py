"""`refrain compare`: which recurrent network is best at a task, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refrain.cli.command import command_line
from refrain.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console

    from refrain.cli.display import RaceDisplay
    from refrain.compare.race import Race
    from refrain.compare.recipe import Recipe
    from refrain.compare.record import Comparison
    from refrain.study.candidates import Candidate

REPORT, PICTURE, FIGURES = "comparison.html", "comparison.png", "comparison.json"
USUAL = "rnn,lstm,gru,bilstm"
EPOCHS = {"forecast": 100, "text": 8, "probe": 30}


def compare(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="CSV file with a line of column names; without it, monthly sea "
            "temperatures of El Niño that statsmodels ships.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column to forecast. [default: the only numeric one]"
        ),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Column of dates. [default: the first that has any]"
        ),
    ] = None,
    season: Annotated[
        int | None,
        typer.Option(
            metavar="STEPS",
            min=1,
            help="Steps after which the series repeats itself; 1: none. "
            "[default: found in the training part]",
        ),
    ] = None,
    horizon: Annotated[
        int | None,
        typer.Option(
            metavar="STEPS",
            min=1,
            help="Steps to forecast. [default: a season or a cycle of the calendar, "
            "up to 48, or 12]",
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            metavar="STEPS",
            min=2,
            help="Steps read. [default: two seasons of up to 48, or 48]",
        ),
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="In place of a series: labelled texts as CSV, JSON lines or a folder.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of texts. [default: the longest]"),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of labels. [default: the other]"),
    ] = None,
    max_texts: Annotated[
        int, typer.Option(metavar="N", min=0, help="Texts used, at most; 0: all.")
    ] = 4000,
    probe: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="In place of data: a task with a known answer, which asks for memory: "
            "adding, copy, digits or permuted.",
            show_default=False,
        ),
    ] = None,
    lengths: Annotated[
        str | None,
        typer.Option(
            metavar="STEPS",
            help="Steps of the probe; several, separated by commas, show who still "
            "learns at which length. [default: one that it is known for]",
            show_default=False,
        ),
    ] = None,
    cells: Annotated[
        str, typer.Option(metavar="NAMES", help="Networks, separated by commas.")
    ] = USUAL,
    cell: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE.PY:CELL",
            help="A cell of one's own beside them; may be given again.",
            show_default=False,
        ),
    ] = None,
    units: Annotated[
        int, typer.Option(metavar="N", min=1, help="Units of each layer.")
    ] = 32,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Passes over the training part, at most. [default: 100 for a series, "
            "8 for texts, 30 for a probe]",
        ),
    ] = None,
    max_windows: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Training windows used, at most; 0: all."
        ),
    ] = 2000,
    seeds: Annotated[
        int, typer.Option(metavar="N", min=1, help="Trainings of each network.")
    ] = 3,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            max=2**31,
            help="The first seed; the same seeds, the same errors.",
        ),
    ] = 0,
    jobs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Trainings beside each other. [default: one a core, as memory allows]",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FOLDER", help="Where the results go."),
    ] = Path("compare"),
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the tables alone.")
    ] = False,
) -> None:
    """Train recurrent networks on one task and measure how good and how dear they are.

    The task is to forecast a series, to label texts, or a probe. Every network gets
    the same samples and the same budget; a part that none has seen judges them. Prints
    tables and a verdict, and writes a report, a picture and a JSON file.
    """
    # Mistakes are told before Keras is imported, which takes seconds.
    from rich.console import Console

    from refrain.compare.recipe import Recipe
    from refrain.study.training import Budget

    contests = {
        "forecast": {
            "file": None if file is None else str(file),
            "target": target,
            "time": time,
            "season": season,
            "horizon": horizon,
            "window": window,
            "max_windows": max_windows,
        },
        "text": texts
        and {"file": str(texts), "text": text, "label": label, "max_texts": max_texts},
        "probe": probe and {"probe": probe},
    }
    task = _task(file, texts, probe)
    _check_options(task, text or label, lengths)
    recipe = Recipe(
        task=task,
        options=contests[task],
        cells=(*cells.split(","), *(cell or ())),
        seeds=seeds,
        units=units,
        budget=Budget(epochs=epochs or EPOCHS[task], seed=seed),
    )
    out = Console(highlight=False)
    races = _races(recipe, lengths, output, quiet)
    comparison = _hold(out, races, output, jobs, quiet)
    _print(out, comparison, quiet)
    last, _ = races[-1]
    _write(out, comparison, last.candidates, output, quiet)


def _task(file: Path | None, texts: Path | None, probe: str | None) -> str:
    """Which contest the arguments ask for."""
    if sum(given is not None for given in (file, texts, probe)) > 1:
        raise DataError(
            "expected one of a FILE to forecast, --texts and --probe; received more"
        )
    if probe is not None:
        return "probe"
    return "forecast" if texts is None else "text"


def _check_options(task: str, columns: str | None, lengths: str | None) -> None:
    """Refuse options of another contest."""
    if columns is not None and task != "text":
        raise DataError("--text and --label choose columns of --texts; none was given")
    if lengths is not None and task != "probe":
        raise DataError("--lengths are those of a --probe; none was given")


def _races(
    recipe: Recipe, lengths: str | None, output: Path, quiet: bool
) -> list[tuple[Race, RaceDisplay]]:
    """The race, or one at each length, and what shows how far each is."""
    from refrain.cli.display import RaceDisplay
    from refrain.compare.lengths import read_lengths
    from refrain.compare.race import Race

    candidates = recipe.candidates()

    def make(recipe: Recipe, folder: Path, note: str = "") -> tuple[Race, RaceDisplay]:
        display = RaceDisplay(
            candidates, recipe.seeds, recipe.budget.epochs, quiet, note
        )
        return Race(recipe, folder, display.report), display

    if lengths is None:
        return [make(recipe, output)]
    return [
        make(
            replace(recipe, options={**recipe.options, "length": length}),
            output / f"length-{length}",
            f" at {length}",
        )
        for length in read_lengths(lengths)
    ]


def _hold(
    out: Console,
    races: Sequence[tuple[Race, RaceDisplay]],
    output: Path,
    jobs: int | None,
    quiet: bool,
) -> Comparison:
    """Hold the races, the longest last, and say what they found."""
    from refrain.files import make_folder

    last, _ = races[-1]
    make_folder(output)
    if not quiet:
        _lines(out, last.contest.title, last.contest.about)
    for race, display in races:
        with display:
            race.go(jobs, costs=race is last)
    *shorter, found = (race.comparison(command_line()) for race, _ in races)
    return replace(found, shorter=tuple(shorter))


def _lines(out: Console, title: str, lines: Iterable[str]) -> None:
    if title:
        out.print(title, style="bold", markup=False)
    for line in lines:
        out.print(f"  {line}", markup=False, soft_wrap=True)


def _print(out: Console, comparison: Comparison, quiet: bool) -> None:
    """The tables, what failed, and the verdict."""
    from refrain.cli.tables import comparison_table, print_table
    from refrain.compare.findings import findings
    from refrain.compare.lengths import by_length, faults
    from refrain.compare.table import costs, quality
    from refrain.compare.verdict import verdict

    tables = [quality(comparison), costs(comparison)]
    if comparison.shorter:
        tables.append(by_length(comparison))
    for figures in tables:
        print_table(out, comparison_table(figures))
        if not quiet:
            _lines(out, "", figures.notes)
    _lines(out, "", faults(comparison))
    if quiet:
        return
    _lines(out, "", comparison.notes)
    out.print()
    _lines(out, "Verdict", verdict(comparison).lines)
    for finding in findings(comparison):
        _lines(out, "", [f"{finding.aspect}: {finding.says}"])


def _write(
    out: Console,
    comparison: Comparison,
    candidates: Sequence[Candidate],
    folder: Path,
    quiet: bool,
) -> None:
    """Write report, picture and figures."""
    from refrain.compare.picture import write_picture
    from refrain.compare.record import write_json
    from refrain.compare.report import write_report

    write_report(comparison, candidates, folder / REPORT)
    write_picture(comparison, folder / PICTURE)
    write_json(comparison, folder / FIGURES)
    if not quiet:
        files = ", ".join(str(folder / name) for name in (REPORT, PICTURE, FIGURES))
        _lines(out, "", ["", f"Written: {files}"])
