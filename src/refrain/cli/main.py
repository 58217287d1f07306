"""The `refrain` command: turns the user's mistakes into one line and exit code 2."""

from __future__ import annotations

import sys

from refrain.errors import RefrainError

MISTAKE, INTERRUPTED = 2, 130

# What the commands need beyond the package itself, by the extra that brings it.
_EXTRAS = {
    "typer": "cli",
    "rich": "cli",
    "pandas": "forecast",
    "pyarrow": "forecast",
    "statsmodels": "forecast",
    "matplotlib": "report",
    "sklearn": "text",
    "tokenizers": "text",
    "optuna": "tune",
    "jinja2": "report",
}


def run() -> None:
    """Entry point of the console script."""
    try:
        code = _obey()
    except RefrainError as error:
        code = _refuse(str(error))
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(error.name or "")
        if not extra:
            raise
        code = _refuse(
            f"{error.name} is not installed; run: pip install 'refrain[{extra}]'"
        )
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        print("refrain: interrupted", file=sys.stderr)
    sys.exit(code)


def _obey() -> int:
    """Run the command that the arguments name; its exit code."""
    # Here, so that a missing typer gets its line too.
    import typer

    from refrain.cli.app import app

    try:
        return app(prog_name="refrain", standalone_mode=False) or 0
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "refrain"
        message = error.format_message().rstrip(".?")
        return _refuse(f"{message}; see {command} --help")


def _refuse(message: str) -> int:
    print(f"refrain: error: {' '.join(message.split())}", file=sys.stderr)
    return MISTAKE
