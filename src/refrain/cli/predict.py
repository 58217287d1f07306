"""`refrain predict` and `refrain evaluate`: a trained model in use."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from refrain.errors import DataError
from refrain.files import plain

Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL", help="File that `refrain train` wrote.", show_default=False
    ),
]


def predict(
    model: Model,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="What to predict from, in the form that the model was trained from; "
            "- or none: standard input.",
            show_default=False,
        ),
    ] = None,
    words: Annotated[
        bool,
        typer.Option(
            "--words",
            help="Of a text classifier: tell how much each word speaks for the label.",
        ),
    ] = False,
) -> None:
    """Predict with a trained model.

    A text classifier reads a text a line from standard input, and answers each with a
    line of JSON: the label, its probability, the text. A forecaster goes on from the
    end of the data, or without any from the end of what it knows, and answers with a
    table of forecasts as CSV.
    """
    from refrain.tasks.job import registry

    job = registry.load(model)
    source = None if file is None or str(file) == "-" else file
    # Who types nothing at a terminal waits for an answer, not for a question.
    alone = job.goes_on and file is None and sys.stdin.isatty()
    lines = () if alone else standard_input()
    for line in job.predict_lines(source, lines, words):
        print(line, flush=True)


def evaluate(
    model: Model,
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Data with the truth in it.", show_default=False
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the figures as JSON.")
    ] = False,
) -> None:
    """Compare the predictions of a trained model with the truth."""
    from refrain.tasks.job import registry

    figures = registry.load(model).evaluate_file(file)
    if as_json:
        print(json.dumps(plain(figures), indent=1))
        return
    width = max(map(len, figures)) + 2
    for name, value in figures.items():
        print(f"{name.replace('_', ' '):<{width}}{value:>10.4g}")


def standard_input() -> Iterator[str]:
    """The lines of standard input, UTF-8 whatever the locale says."""
    for number, line in enumerate(getattr(sys.stdin, "buffer", sys.stdin), start=1):
        try:
            yield line.decode() if isinstance(line, bytes) else line
        except UnicodeDecodeError:
            raise DataError(
                f"standard input: line {number}: expected UTF-8 text, found other bytes"
            ) from None
