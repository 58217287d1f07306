"""Shows trainings as they run, one bar each, on standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from refrain.study import train


class TrainingDisplay:
    """A context in which `report` moves the bar of a training, made when it begins.

    Args:
        quiet: show nothing.
    """

    def __init__(self, quiet: bool):
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True, highlight=False),
            disable=quiet,
        )
        self._bar: TaskID | None = None

    def __enter__(self) -> TrainingDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._progress.stop()

    def report(self, name: str, progress: train.Progress) -> None:
        """Show where a training stands."""
        if not progress.epoch or self._bar is None:
            if self._bar is None:
                self._progress.start()  # not before: a mistake ends in one line
            else:
                self._progress.stop_task(self._bar)
            self._bar = self._progress.add_task(
                name, total=progress.epochs, state="compiling"
            )
            return
        state = (
            f"epoch {progress.epoch}/{progress.epochs}, "
            f"loss {progress.validation_loss:.3f}, best {progress.best:.3f}"
        )
        self._progress.update(self._bar, completed=progress.epoch, state=state)
