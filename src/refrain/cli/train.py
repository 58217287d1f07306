"""`refrain train`: a model from a file, one command for each job."""

from __future__ import annotations

import typer

from refrain.cli.train_forecast import forecast
from refrain.cli.train_sentiment import sentiment

train = typer.Typer(
    name="train",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Train a model for a job from a file of data.",
)
for _command in (forecast, sentiment):
    train.command()(_command)
