"""What the figures say, in plain words: which network is best, and which to take.

Every sentence follows from the record by a rule that is written here or in
`findings.py`, so that other figures give other words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from refrain.compare.record import Comparison, Entry
from refrain.compare.table import figure
from refrain.words import counted, joined, sentence

ERRORS_APART = 2.0  # standard errors by which two means differ
SHARE_APART = 0.02  # the same where a single seed tells no error


@dataclass(frozen=True)
class Verdict:
    """What a comparison says of quality.

    Attributes:
        lines: sentences: the best, its equals, the baselines, which to take.
        best: the network with the best mean.
        take: the one with the least work a step among the best and its equals.
    """

    lines: tuple[str, ...]
    best: Entry
    take: Entry


def verdict(comparison: Comparison) -> Verdict:
    """The verdict on a comparison, of which at least one network was trained."""
    metric = comparison.metrics[0]
    best, *others = ranked(comparison)
    equals = [entry for entry in others if not apart(comparison, best, entry)]
    take = min([best, *equals], key=_work)
    seeds = len(best.values(metric.name))
    value = f"{metric.name} {figure(best.mean(metric.name))}"
    if seeds > 1:
        value += f" ± {figure(best.spread(metric.name))} over {seeds} seeds"
    lines = [f"{best.name} does best: {value}."]
    if equals:
        lines.append(
            f"{joined([e.name for e in equals])} cannot be told from it by "
            f"{counted(seeds, 'seed')}."
        )
    lines.append(_beside_baseline(comparison, best))
    if take is not best:
        lines.append(
            f"Take {take.name}: as good, as far as measured, and the least work."
        )
    return Verdict(tuple(map(sentence, filter(None, lines))), best, take)


def ranked(comparison: Comparison) -> list[Entry]:
    """Trained networks from the best mean to the worst; those without one come last."""
    metric = comparison.metrics[0]

    def place(entry: Entry) -> float:
        mean = entry.mean(metric.name)
        if math.isnan(mean):
            return math.inf
        return -mean if metric.more else mean

    return sorted(comparison.networks, key=place)


def apart(comparison: Comparison, one: Entry, other: Entry) -> bool:
    """Whether two networks differ in the first metric by more than chance explains.

    Their means have to lie two standard errors of the difference apart; with a single
    seed, which tells no error, two percent of the larger one.
    """
    name = comparison.metrics[0].name
    means = one.mean(name), other.mean(name)
    difference = abs(means[0] - means[1])
    if math.isnan(difference):
        return True
    counts = [len(entry.values(name)) for entry in (one, other)]
    if min(counts) < 2:
        return difference > SHARE_APART * max(map(abs, means))
    spreads = one.spread(name), other.spread(name)
    error = math.sqrt(sum(s**2 / n for s, n in zip(spreads, counts, strict=True)))
    return difference > ERRORS_APART * error


def _work(entry: Entry) -> float:
    return entry.network.multiply_adds if entry.network else math.inf


def _beside_baseline(comparison: Comparison, best: Entry) -> str:
    metric = comparison.metrics[0]
    base = comparison.best(metric, comparison.baselines)
    if base is None:
        return ""
    mine, theirs = best.mean(metric.name), base.mean(metric.name)
    value = f"{base.name} has {figure(theirs)}"
    if not metric.better(mine, theirs):
        return f"No network beats what needs no training: {value}."
    if metric.more or not theirs > 0:
        return f"Without training, {value}."
    less = 100 * (1 - mine / theirs)
    share = "over 99" if less > 99.5 else f"{less:.0f}"
    return f"That is {share} % less: {value}."
