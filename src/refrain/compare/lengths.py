"""Who still learns at which length: a probe that was raced at several lengths."""

from __future__ import annotations

import math

from refrain.compare.record import Comparison, Entry
from refrain.compare.table import Figures, figure, score
from refrain.errors import DataError
from refrain.words import joined, sentence

SOLVED = "✓"


def read_lengths(text: str) -> tuple[int, ...]:
    """Lengths separated by commas, in rising order.

    Raises:
        DataError: they are not all whole numbers from 1 on, or there are none.
    """
    found = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) for part in found):
        raise DataError(
            f"--lengths: expected whole numbers separated by commas, received {text!r}"
        )
    return tuple(sorted(set(map(int, found))))


def at_each_length(comparison: Comparison) -> tuple[Comparison, ...]:
    """The comparisons at all lengths, the shortest first."""
    return (*comparison.shorter, comparison)


def length(comparison: Comparison) -> int:
    """The length at which a probe was raced."""
    return comparison.facts["length"]


def entry_of(comparison: Comparison, key: str) -> Entry:
    """The line of a network or baseline."""
    return next(entry for entry in comparison.entries if entry.key == key)


def solved(comparison: Comparison, key: str) -> int:
    """How many of a network's trainings solved the probe."""
    values = entry_of(comparison, key).values(comparison.metrics[0].name)
    return sum(value < comparison.facts["solved_below"] for value in values)


def reach(comparison: Comparison, key: str) -> int:
    """The length up to which all trainings of a network solved it; 0 for none."""
    found = 0
    for each in at_each_length(comparison):
        if solved(each, key) < len(each.facts["seeds"]):
            break
        found = length(each)
    return found


def by_length(comparison: Comparison) -> Figures:
    """The first score of every network at every length."""
    ladder = at_each_length(comparison)
    metric = comparison.metrics[0].name
    limits = [figure(each.facts["solved_below"]) for each in ladder]
    rows = [
        [entry.name, *(_told(each, entry.key) for each in ladder)]
        for entry in comparison.entries
    ]
    return Figures(
        (f"{metric} at length", *(f"{length(each)}" for each in ladder)),
        [*rows, ["solved below", *limits]],
        (
            f"{SOLVED}: all seeds solved it; (1 of 3): so many",
            f"other tables and the verdict: at length {length(comparison)}",
        ),
        last_baseline=max(
            (k for k, e in enumerate(comparison.entries) if e.baseline), default=None
        ),
    )


def _told(comparison: Comparison, key: str) -> str:
    entry = entry_of(comparison, key)
    text = score(entry, comparison.metrics[0].name)
    if entry.baseline or not math.isfinite(entry.mean(comparison.metrics[0].name)):
        return text
    count, seeds = solved(comparison, key), len(comparison.facts["seeds"])
    if count == seeds:
        return f"{text} {SOLVED}"
    return f"{text} ({count} of {seeds})" if count else text


def faults(comparison: Comparison) -> list[str]:
    """What failed, at every length."""
    return [
        f"{entry.name} failed"
        + (f" at length {length(each)}: " if comparison.shorter else ": ")
        + fault
        for each in at_each_length(comparison)
        for entry in each.entries
        for fault in entry.faults
    ]


def who_learns(comparison: Comparison) -> str:
    """Up to which length each network solves the probe, in words."""
    by_reach: dict[int, list[str]] = {}
    for entry in comparison.networks:
        by_reach.setdefault(reach(comparison, entry.key), []).append(entry.name)
    none = f"not solved at length {length(at_each_length(comparison)[0])}."
    return " ".join(
        f"{sentence(joined(names))}: {f'solved up to length {far}.' if far else none}"
        for far, names in sorted(by_reach.items(), reverse=True)
    )
