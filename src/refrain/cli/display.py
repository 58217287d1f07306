"""Shows how far each network of a race is, one bar a network, on standard error."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from refrain.study import race
from refrain.study.candidates import Candidate


class RaceDisplay:
    """A context in which `report` moves the bars.

    Args:
        candidates: the networks, in the order in which they train.
        epochs: passes at most; a network may stop before.
        quiet: show nothing.
    """

    def __init__(self, candidates: Sequence[Candidate], epochs: int, quiet: bool):
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]:<36}"),
            TimeElapsedColumn(),
            console=Console(stderr=True, highlight=False),
            disable=quiet,
        )
        self._bars = {
            c.key: self._progress.add_task(
                c.name, total=epochs, start=False, state="waiting"
            )
            for c in candidates
        }
        self._running: TaskID | None = None

    def __enter__(self) -> RaceDisplay:
        self._progress.start()
        return self

    def __exit__(self, fault: object, *_: object) -> None:
        if fault is None:
            self._finish()
        self._progress.stop()

    def report(self, candidate: Candidate, progress: race.Progress) -> None:
        """Show where a network stands."""
        bar = self._bars[candidate.key]
        if not progress.epoch:
            self._finish()
            self._running = bar
            self._progress.start_task(bar)
            self._progress.update(bar, state="compiling")
            return
        state = (
            f"epoch {progress.epoch}/{progress.epochs}, "
            f"loss {progress.validation_loss:.3f}, best {progress.best:.3f}"
        )
        self._progress.update(bar, completed=progress.epoch, state=state)

    def _finish(self) -> None:
        """Fill the bar of a network that is done, whether or not it stopped early."""
        if self._running is None:
            return
        task = next(t for t in self._progress.tasks if t.id == self._running)
        done = int(task.completed)
        self._progress.update(task.id, total=done, state=f"trained, {done} epochs")
        self._running = None
