"""`refrain train forecast`: a forecaster from a table of series."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refrain.cli.command import command_line
from refrain.cli.options import with_options
from refrain.cli.training import (
    Anew,
    Config,
    Output,
    Quiet,
    Tensorboard,
    Tune,
    job_options,
    search_line,
    tensorboard_callbacks,
    training_folder,
)
from refrain.tasks.forecast.options import ForecastOptions

if TYPE_CHECKING:
    from refrain.tasks.forecast.forecaster import Forecaster


@with_options(ForecastOptions)
def forecast(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV or Parquet file: a column for each series, or a long table with "
            "a column that tells the series apart.",
            show_default=False,
        ),
    ],
    output: Output = Path("forecast.refrain"),
    config: Config = None,
    tune: Tune = 0,
    anew: Anew = False,
    tensorboard: Tensorboard = None,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Train one network to forecast one or many series, with intervals.

    The last part of each series is held out; the network and plain forecasts, up to
    exponential smoothing, are judged by it. A training that was cut off goes on exactly
    where it stood when the same command is given again.
    """
    # Mistakes are told before Keras is imported, which takes seconds.
    from refrain.tasks.forecast.panel import read_panel
    from refrain.tasks.job.options import values

    job = job_options(ForecastOptions, config, options)
    job.levels()
    read_panel(file, job.columns())
    with training_folder(output, file, anew, quiet) as kept:
        from refrain.cli.progress import TrainingDisplay
        from refrain.report.page import write_page
        from refrain.tasks.forecast.forecaster import Forecaster
        from refrain.tasks.forecast.report import report_page

        made = Forecaster(**values(job))
        callbacks = tensorboard_callbacks(tensorboard)
        with TrainingDisplay(quiet) as display, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # told below, as notes
            made.fit(
                file,
                report=display.report,
                callbacks=callbacks,
                checkpoints=kept,
                trials=tune,
            )
        page = report_page(made, str(file), command_line())
        write_page(page, output.with_suffix(".html"))
        made.save(output)
    _tell(made, output, tune, quiet)


def _tell(made: Forecaster, output: Path, tune: int, quiet: bool) -> None:
    """Print the backtest, and what was written."""
    from refrain.tasks.forecast.report import told_season

    measures = ("mae", "rmse", "smape", "mase")
    print(f"{'':<16}" + "".join(f"{measure:>10}" for measure in measures))
    for name, errors in made.backtest_.errors.items():
        figures = (
            f"{errors[m]:>10.4g}" if m in errors else f"{'–':>10}" for m in measures
        )
        print(f"{name:<16}" + "".join(figures))
    if quiet:
        return
    layout, training, levels = made.layout_, made.training_, made.levels()
    coverage = next(iter(made.backtest_.errors.values()))["coverage"]
    interval = 100 * (levels[-1] - levels[0])
    lines = (
        f"{len(made.tracks_):,} series, {layout.horizon} steps from {layout.window}",
        f"season {told_season(made)}",
        f"{100 * coverage:.0f} % of values lie in the {interval:.0f} % interval",
        *search_line(made, tune),
        f"epoch {training.best_epoch} of {training.epochs}, {training.train_s:.0f} s",
        *made.notes_,
        f"Written: {output}, {output.with_suffix('.html')}",
    )
    for line in lines:
        print(f"  {line}")
