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
    "statsmodels": "forecast",
    "matplotlib": "report",
}


def run() -> None:
    """Entry point of the console script."""
    try:
        # Here, so that a missing typer gets its line too.
        from refrain.cli.app import app

        app()
    except RefrainError as error:
        _stop(str(error))
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(error.name or "")
        if not extra:
            raise
        _stop(f"{error.name} is not installed; run: pip install 'refrain[{extra}]'")
    except KeyboardInterrupt:
        print("refrain: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _stop(message: str) -> None:
    print(f"refrain: error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(MISTAKE)
