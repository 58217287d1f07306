"""All commands of `refrain`, each from its own file.

Imports nothing heavy: a command imports what it needs when it runs, so that
`refrain --help` answers at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

import refrain
from refrain.cli.compare import compare

app = typer.Typer(
    name="refrain",
    help="Recurrent networks from their equations.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"refrain {refrain.__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
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


app.command()(compare)
