"""Shows how far each network of a race is, one bar a network, on standard error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from refrain.compare.race import Moment
from refrain.study.candidates import Candidate

_STATES = ("running", "kept", "done")


class RaceDisplay:
    """A context in which `report` moves the bars.

    Args:
        candidates: the networks, in the order of the table.
        seeds: trainings of each.
        epochs: passes of a training at most; it may stop before.
        quiet: show nothing.
        note: follows each name.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        seeds: int,
        epochs: int,
        quiet: bool,
        note: str = "",
    ):
        self._progress = Progress(
            TextColumn("{task.description:<10}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[state]:<44}"),
            TimeElapsedColumn(),
            console=Console(stderr=True, highlight=False),
            disable=quiet,
        )
        self._seeds, self._epochs = seeds, epochs
        self._bars = {
            c.key: self._progress.add_task(
                c.name + note, total=seeds, start=False, state="waiting"
            )
            for c in candidates
        }
        self._shares: dict[tuple[str, int | None], float] = {}
        self._ended: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> RaceDisplay:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def report(self, moment: Moment) -> None:
        """Show where a network stands."""
        bar = self._bars[moment.key]
        if moment.seed is None:
            if moment.state not in _STATES:
                self._progress.update(bar, state=f"no costs: {moment.state}")
            return
        running = moment.state == "running"
        share = moment.epoch / self._epochs if running else 1.0
        self._shares[moment.key, moment.seed] = share
        if running:
            self._progress.start_task(bar)
        else:
            kind = moment.state if moment.state in _STATES else "failed"
            self._ended[moment.key, kind] += 1
        done = sum(s for (key, _), s in self._shares.items() if key == moment.key)
        self._progress.update(bar, completed=done, state=self._told(moment))
        if self._count(moment.key) == self._seeds:
            self._progress.stop_task(bar)

    def _count(self, key: str) -> int:
        return sum(n for (ended, _), n in self._ended.items() if ended == key)

    def _told(self, moment: Moment) -> str:
        counts = {k: self._ended[moment.key, k] for k in ("done", "kept", "failed")}
        told = [
            f"{n} {word}"
            for (n, word) in zip(
                counts.values(), ("trained", "kept", "failed"), strict=True
            )
            if n
        ]
        if moment.state == "running":
            told.append(
                f"seed {moment.seed}, epoch {moment.epoch}, best {moment.best:.3g}"
                if moment.epoch
                else f"seed {moment.seed}, compiling"
            )
        return ", ".join(told)
