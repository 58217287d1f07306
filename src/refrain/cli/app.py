"""All commands of `refrain`, each from its own file.

Imports nothing heavy: a command imports what it needs when it runs, so that
`refrain --help` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

import refrain
from refrain.cli.cache import cache
from refrain.cli.check import check
from refrain.cli.compare import compare
from refrain.cli.diagnose import diagnose
from refrain.cli.explain import explain
from refrain.cli.export import export
from refrain.cli.predict import evaluate, predict
from refrain.cli.stream import stream
from refrain.cli.train import train
from refrain.cli.zoo import cells, show

app = typer.Typer(
    name="refrain",
    add_completion=False,
    # Paragraphs of a docstring flow, and a bracket is a bracket.
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"refrain {refrain.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Show the version and leave.",
        ),
    ] = False,
) -> None:
    """Recurrent networks from their equations."""
    if context.invoked_subcommand is None:
        print(context.get_help())


for _command in (cells, show, check, compare, diagnose, explain, cache, stream):
    app.command()(_command)
for _command in (predict, evaluate):
    app.command()(_command)
app.add_typer(train)
app.add_typer(export)
