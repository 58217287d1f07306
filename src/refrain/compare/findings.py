"""The textbooks' table, measured: for each row a figure a network, and what they say.

Introductions say that an RNN forgets and is fast, that an LSTM remembers and is heavy,
that a GRU lies between. Each rule here turns the figures of a comparison into words.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from refrain.compare.lengths import reach, who_learns
from refrain.compare.record import Comparison, Cost, Entry, Memory
from refrain.compare.table import microseconds, short
from refrain.compare.verdict import apart, ranked, verdict
from refrain.words import counted, joined, sentence

VANISHES, EXPLODES = 1e-2, 1e2  # gradient at the first step / at the last one


@dataclass(frozen=True)
class Finding:
    """One row of the table.

    Attributes:
        aspect: what it is about.
        textbook: what introductions say of RNN, LSTM and GRU.
        cells: a figure in words for each trained network, in their order.
        says: what the figures say.
    """

    aspect: str
    textbook: str
    cells: tuple[str, ...]
    says: str


def findings(comparison: Comparison) -> tuple[Finding, ...]:
    """All rows."""
    rows: tuple[tuple[str, str, Callable[[Entry], str], Callable], ...] = (
        ("Long-term memory", "poor / excellent / good", _reach, _long_term),
        ("Memory retention", "short / long / long", _horizon, _retention),
        ("Efficiency", "fast / slow / between", _work, _efficiency),
        ("Gates", "0 / 3 / 2", _gate_count, _gates),
        ("Real-time fitness", "good / heavy / good", _latency, _real_time),
    )
    if comparison.shorter:
        solved = functools.partial(_solved, comparison)
        rows += (("Learns over", "few / many / many steps", solved, who_learns),)
    networks = comparison.networks
    return tuple(
        Finding(
            aspect, textbook, tuple(map(cell, networks)), sentence(says(comparison))
        )
        for aspect, textbook, cell, says in rows
    )


# -- the figure of one network ---------------------------------------------------------

UNKNOWN = "–"


def _reach(entry: Entry) -> str:
    memory = entry.memory
    if memory is None:
        return UNKNOWN
    return f"gradient × {memory.reach:.1g} ({_kind(memory)})"


def _kind(memory: Memory) -> str:
    if not memory.reach < EXPLODES:
        return "explodes"
    return "vanishes" if memory.reach < VANISHES else "arrives"


def _horizon(entry: Entry) -> str:
    memory = entry.memory
    if memory is None:
        return UNKNOWN
    if memory.horizon is None:
        return f"over {counted(memory.steps, 'step')}"
    return counted(memory.horizon, "step")


def _work(entry: Entry) -> str:
    network = entry.network
    return f"{network.multiply_adds:,} multiply-adds" if network else UNKNOWN


def _gate_count(entry: Entry) -> str:
    network = entry.network
    if network is None:
        return UNKNOWN
    times = f"{network.directions} × " if network.directions > 1 else ""
    return f"{times}{network.gates}"


def _latency(entry: Entry) -> str:
    network = entry.network
    if network is None:
        return UNKNOWN
    way = "streams" if _streams(network) else "whole window"
    return f"{way}, p99 {microseconds(network.latency.p99_us)} µs"


def _streams(cost: Cost) -> bool:
    return cost.latency.way == "stream"


def _solved(comparison: Comparison, entry: Entry) -> str:
    far = reach(comparison, entry.key)
    return f"length {far}" if far else "none of the lengths"


# -- what the figures say --------------------------------------------------------------


def _long_term(comparison: Comparison) -> str:
    known = [(e.name, e.memory) for e in comparison.networks if e.memory]
    if not known:
        return "Not measured."
    by_kind: dict[str, list[str]] = {}
    for name, memory in known:
        by_kind.setdefault(_kind(memory), []).append(name)
    back = counted(known[0][1].steps, "step")
    told = []
    if names := by_kind.get("arrives"):
        told.append(f"{joined(names)}: an error still teaches what was {back} ago.")
    if names := by_kind.get("vanishes"):
        told.append(
            f"{joined(names)}: the gradient vanishes within {back}; less than 1 % "
            "of it gets back to the first one."
        )
    if names := by_kind.get("explodes"):
        told.append(
            f"{joined(names)}: the gradient explodes on the way; clip it, or start "
            "from an orthogonal recurrent matrix."
        )
    return " ".join(map(sentence, told))


def _retention(comparison: Comparison) -> str:
    lags = {
        e.name: math.inf if e.memory.horizon is None else e.memory.horizon
        for e in comparison.networks
        if e.memory
    }
    if not lags:
        return "Not measured."
    longest, shortest = max(lags.values()), min(lags.values())
    top = joined([name for name, lag in lags.items() if lag == longest])
    low = joined([name for name, lag in lags.items() if lag == shortest])
    if longest == math.inf:
        text = f"{top}: a trace of all that was read is left at the end."
    else:
        text = f"{top}: 1 % of a change is left after {counted(int(longest), 'step')}."
    if shortest < longest:
        left = counted(int(shortest), "step")
        text += " " + sentence(f"{low}: 1 % of it is left after {left}.")
    return text


def _efficiency(comparison: Comparison) -> str:
    known = [(e, e.network) for e in comparison.networks if e.network]
    if not known:
        return "Not measured."
    least, small = min(known, key=lambda pair: pair[1].multiply_adds)
    most, large = max(known, key=lambda pair: pair[1].multiply_adds)
    text = f"{least.name} needs the least work a step"
    if large.multiply_adds > small.multiply_adds:
        ratio = large.multiply_adds / max(1, small.multiply_adds)
        text += f", {most.name} {ratio:.1f} times as much"
    trained = [e for e in comparison.networks if math.isfinite(e.steps_a_second)]
    if trained:
        fastest = max(trained, key=lambda e: e.steps_a_second)
        speed = short(fastest.steps_a_second)
        text += f"; {fastest.name} trains fastest, {speed} steps a second"
    take = verdict(comparison).take
    return f"{text}. Of the best, {take.name} is the cheapest."


def _gates(comparison: Comparison) -> str:
    order = [(e, e.network.gates) for e in ranked(comparison) if e.network]
    gated = [(e, gates) for e, gates in order if gates]
    bare = [e for e, gates in order if not gates]
    if not gated or not bare:
        which = "All" if gated else "None"
        return f"{which} of the networks have gates, so nothing shows what they bring."
    (one, count), other = gated[0], bare[0]
    metric = comparison.metrics[0]
    if not apart(comparison, one, other):
        text = f"Gates make no difference: {one.name} and {other.name} do alike."
    elif metric.better(one.mean(metric.name), other.mean(metric.name)):
        text = f"Gates pay: {one.name} beats {other.name}, the best without."
    else:
        text = f"Gates do not pay: {other.name} beats {one.name}, the best with gates."
    rivals = [(e, gates) for e, gates in gated if gates != count]
    if rivals:
        rival, theirs = rivals[0]
        tied = not apart(comparison, one, rival)
        text += f" {one.name} with {count} and {rival.name} with {theirs} " + (
            "do alike." if tied else f"differ: {one.name} is better."
        )
    return text


def _real_time(comparison: Comparison) -> str:
    known = [(e.name, e.network) for e in comparison.networks if e.network]
    if not known:
        return "Not measured."
    steps = [(name, n.latency) for name, n in known if _streams(n)]
    windows = [(name, n.latency) for name, n in known if not _streams(n)]
    told = []
    if steps:
        told.append(f"{_names(steps)}: a step a value, up to {_rate(steps)} a second.")
    if windows:
        told.append(
            f"{_names(windows)}: the whole window is read again for each value, up to "
            f"{_rate(windows)} a second."
        )
    return " ".join(map(sentence, told))


def _names(latencies: Sequence[tuple]) -> str:
    return joined([name for name, _ in latencies])


def _rate(latencies: Sequence[tuple]) -> str:
    """The rate that all of them keep up with."""
    return short(min(latency.rate_hz for _, latency in latencies))
