"""`refrain compare`: which recurrent network forecasts a series best, and its cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from refrain.errors import DataError

if TYPE_CHECKING:
    from rich.console import Console

    from refrain.study.record import Comparison
    from refrain.tasks.series import Series
    from refrain.tasks.windows import Frame

PICTURE, FIGURES = "comparison.png", "comparison.json"


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
            help="Steps to forecast. [default: a season of up to 24, or 12]",
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
    cells: Annotated[
        str, typer.Option(metavar="NAMES", help="Networks, separated by commas.")
    ] = "rnn,lstm,gru,bilstm",
    units: Annotated[
        int, typer.Option(metavar="N", min=1, help="Units of each layer.")
    ] = 32,
    epochs: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Passes over the training part, at most."
        ),
    ] = 100,
    max_windows: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, help="Training windows used, at most; 0: all."
        ),
    ] = 2000,
    seed: Annotated[
        int,
        typer.Option(
            metavar="N", min=0, max=2**32 - 1, help="The same seed, the same figures."
        ),
    ] = 0,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Where picture and JSON go."
        ),
    ] = Path("compare"),
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print the table alone.")
    ] = False,
) -> None:
    """Train recurrent networks on a series and compare them with naive forecasts.

    Every network gets the same windows and the same budget; the last fifth of the
    series is held out. Prints a table of errors and costs, and writes a picture and
    a JSON file with all figures.
    """
    # Mistakes are told before Keras is imported, which takes seconds.
    from rich.console import Console

    from refrain.files import make_folder
    from refrain.study.candidates import find_candidates
    from refrain.tasks.series import bundled_series, read_series
    from refrain.tasks.windows import frame

    if file is None and (target or time):
        raise DataError("--target and --time choose columns of a FILE; none was given")
    candidates = find_candidates(cells)
    series = read_series(file, target, time) if file else bundled_series()
    cut = frame(series, season, horizon, window)
    folder = make_folder(output)
    out = Console(highlight=False)
    if not quiet:
        _introduce(out, series, cut)

    from refrain.cli.display import RaceDisplay
    from refrain.study.race import Budget
    from refrain.tasks.forecast import Setup, compare_forecasts

    setup = Setup(units, max_windows, Budget(epochs=epochs, seed=seed))
    with RaceDisplay(candidates, epochs, quiet) as display:
        comparison = compare_forecasts(series, cut, candidates, setup, display.report)
    _write(out, comparison, folder, quiet)


def _introduce(out: Console, series: Series, cut: Frame) -> None:
    """Say what will be compared, before it takes its time."""
    out.print(f"{series.name}, {series.source}", style="bold", markup=False)
    span = "taken as one step apart"
    if series.times is not None:
        first, last = (str(series.times[k])[:16] for k in (0, -1))
        span = f"one every {series.step}, {first} to {last}"
    none = cut.season == 1 and cut.season_from != "given"
    season = "" if none else f"{cut.season}: "
    validation = cut.validation_end - cut.train_end
    test = cut.points - cut.validation_end
    lines = (
        f"{len(series):,} points, {span}",
        f"training {cut.train_end:,}, validation {validation:,}, test {test:,} points",
        f"forecasts of {cut.horizon} steps from windows of {cut.window}",
        f"season {season}{cut.season_from}",
        *series.notes,
    )
    for line in lines:
        out.print(f"  {line}", markup=False, soft_wrap=True)


def _write(out: Console, comparison: Comparison, folder: Path, quiet: bool) -> None:
    """Print the table; write picture and figures."""
    from refrain.study.picture import write_picture
    from refrain.study.record import write_json
    from refrain.study.table import make_table, table_width

    table = make_table(comparison)
    # A narrow terminal, or a pipe, gets long lines and not shortened figures.
    out.width = max(out.width, table_width(table))
    out.print(table)
    write_picture(comparison, folder / PICTURE)
    write_json(comparison, folder / FIGURES)
    if quiet:
        return
    facts = comparison.facts
    windows = facts["split"]["test"]["windows"]
    window, horizon = facts["window"], facts["horizon"]
    scale = "seasonal naive" if facts["season"] > 1 else "naive"
    lines = (
        f"Errors: {windows:,} test windows, {horizon} steps each",
        f"MASE: MAE / mean error of the {scale} forecast on the training part",
        "train s: wall time, compiling included; gates: sigmoid gates of the cell",
        f"µs/step: one window through the model, batch 1, / its {window} steps",
        *comparison.notes,
        f"Written: {folder / PICTURE}, {folder / FIGURES}",
    )
    for line in lines:
        out.print(f"  {line}", markup=False, soft_wrap=True)
