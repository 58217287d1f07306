"""`refrain train sentiment`: a text classifier from a file of labelled texts."""

from __future__ import annotations

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
from refrain.tasks.text.options import TextJob

if TYPE_CHECKING:
    from refrain.tasks.text.job import Outcome
    from refrain.tasks.text.reading import Texts


@with_options(TextJob)
def sentiment(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV file with a line of column names, JSON lines (.jsonl), or a "
            "folder with a folder of .txt files for each label.",
            show_default=False,
        ),
    ],
    output: Output = Path("model.refrain"),
    config: Config = None,
    tune: Tune = 0,
    anew: Anew = False,
    tensorboard: Tensorboard = None,
    quiet: Quiet = False,
    **options: Any,
) -> None:
    """Train a network that gives texts their labels: sentiment, topic, language.

    Part of the rows is held out; the network and a linear baseline are judged by it.
    A training that was cut off goes on exactly where it stood when the same command
    is given again.
    """
    # Mistakes are told before Keras is imported, which takes seconds.
    from refrain.tasks.text.reading import read_texts

    job = job_options(TextJob, config, options)
    found = read_texts(file, job.text, job.label)
    with training_folder(output, file, anew, quiet) as kept:
        from refrain.cli.progress import TrainingDisplay
        from refrain.tasks.text.job import train_classifier

        callbacks = tensorboard_callbacks(tensorboard)
        with TrainingDisplay(quiet) as display:
            outcome = train_classifier(
                found, job, display.report, callbacks, kept, tune
            )
        _write(outcome, found, file, output)
    _tell(outcome, found, output, tune, quiet)


def _write(outcome: Outcome, found: Texts, file: Path, output: Path) -> None:
    from refrain.report.page import write_page
    from refrain.tasks.text.report import report_page

    command = command_line()
    page = report_page(outcome, found, str(file), command)
    about = {
        "text": found.column,
        "label": found.label_column,
        "figures": outcome.judgement.figures,
        "baseline": outcome.baseline.figures,
        "command": command,
    }
    write_page(page, output.with_suffix(".html"))
    outcome.classifier.save(output, about)


def _tell(outcome: Outcome, found: Texts, output: Path, tune: int, quiet: bool) -> None:
    """Print the figures, and what was written."""
    model, training = outcome.classifier, outcome.classifier.training_
    learnt, watched, held = outcome.rows
    network, linear = outcome.judgement.figures, outcome.baseline.figures
    print(f"{'':<12}{'network':>9}{'linear':>9}")
    for name in network:
        title = name.replace("_", " ")
        print(f"{title:<12}{network[name]:>9.3f}{linear[name]:>9.3f}")
    if quiet:
        return
    lines = (
        *found.notes,
        f"texts of {found.column!r}, labels of {found.label_column!r}",
        f"{learnt:,} texts to learn from, {watched:,} to stop by, {held:,} held out",
        f"{model.cell_}, {len(model.vocabulary_):,} words",
        *search_line(model, tune),
        f"epoch {training.best_epoch} of {training.epochs}, {training.train_s:.0f} s",
        *outcome.advice,
        f"Written: {output}, {output.with_suffix('.html')}",
    )
    for line in lines:
        print(f"  {line}")
