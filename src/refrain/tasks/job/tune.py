"""Searches for options by optuna, the same search again from the same seed.

A search that was cut off asks for the same options in the same order, and is told the
scores that it has kept, so that it goes on where it stood.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from refrain.errors import RefrainError
from refrain.files import write_bytes

KEPT = "trials.json"


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, ends included; `log` spreads them evenly in size.

    Whole numbers where both ends are.
    """

    low: float
    high: float
    log: bool = False

    def suggest(self, trial: optuna.Trial, name: str) -> float:
        """A number for one trial."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(name, self.low, self.high, log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)


def network_space(dropout: Range) -> dict[str, Range]:
    """Where the options of a network are searched; how much dropout depends on it."""
    return {
        "units": Range(16, 96, log=True),
        "layers": Range(1, 2),
        "learning_rate": Range(5e-4, 8e-3, log=True),
        "dropout": dropout,
    }


@dataclass(frozen=True)
class Tried:
    """Options that were tried, and their score; lower is better."""

    options: dict[str, Any]
    score: float


def tune(
    space: Mapping[str, Range],
    score: Callable[[int, dict[str, Any]], float],
    trials: int,
    seed: int,
    folder: Path | None = None,
) -> list[Tried]:
    """Try options, each chosen by the scores before it.

    Args:
        space: what to search, by the options' names.
        score: given the trial's number and its options; the lower the better.
        trials: how many.
        seed: of the search.
        folder: keeps the scores, so that a search that was cut off goes on.

    Returns:
        All that was tried, the best first.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    kept = _read(folder)
    tried = []
    for number in range(trials):
        trial = study.ask()
        options = {name: found.suggest(trial, name) for name, found in space.items()}
        if number < len(kept) and kept[number]["options"] == options:
            value = float(kept[number]["score"])
        else:
            value = score(number, options)
        study.tell(trial, value)
        tried.append(Tried(options, value))
        if folder is not None:
            rows = [vars(one) for one in tried]
            write_bytes(folder / KEPT, json.dumps(rows, indent=1).encode())
    return sorted(tried, key=lambda one: one.score)


def _read(folder: Path | None) -> Sequence[Mapping[str, Any]]:
    if folder is None or not (folder / KEPT).exists():
        return ()
    try:
        rows = json.loads((folder / KEPT).read_text(encoding="utf-8"))
        return [{"options": dict(r["options"]), "score": r["score"]} for r in rows]
    except (OSError, ValueError, LookupError, TypeError):
        raise RefrainError(
            f"{folder / KEPT}: damaged; delete it to search anew"
        ) from None
