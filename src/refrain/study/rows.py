"""A diagnosis as rows of text: the first row is the head."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from refrain.study.diagnosis import Diagnosis

Rows = list[tuple[str, ...]]
ABOUT = (
    "lags: influence of the state so many steps back; largest: of the direction "
    "that is left most, at any lag; horizon: lag from which the influence is below 1 %"
)


def layer_rows(found: Sequence[Diagnosis]) -> Rows:
    """A row for each cell: horizon, influence at some lags, steps, dead units."""
    heads = ("layer", "cell", "steps", "horizon", "lag 10", "lag 100", "last lag")
    rows: Rows = [(*heads, "largest", "dead")]
    for each in found:
        flow = each.flow
        horizon = f"> {flow.steps}" if flow.horizon is None else str(flow.horizon)
        at = (10, 100, flow.steps)
        rows.append(
            (
                each.layer,
                flow.cell,
                str(flow.steps),
                horizon,
                *(_at(flow.influence, lag) for lag in at),
                f"{max(flow.largest):.2g}",
                f"{each.activity.dead}/{each.activity.units}",
            )
        )
    return rows


def gate_rows(found: Diagnosis) -> Rows:
    """A row for each gate: mean and shares near the ends; what it keeps, if it does."""
    rows: Rows = [("gate", "range", "mean", "near low", "near high")]
    rows += [
        (
            gate.name,
            f"{gate.low:g} to {gate.high:g}",
            f"{gate.mean:.2f}",
            f"{gate.near_low:.0%}",
            f"{gate.near_high:.0%}",
        )
        for gate in found.activity.gates
    ]
    return rows


def keep_lines(found: Diagnosis) -> list[str]:
    """What each state keeps of itself, in words."""
    return [
        f"{keep.state} keeps {keep.factor} of itself: {keep.mean:.2f} on average, over "
        f"0.9 in {keep.holds:.0%} of the time; time constants of its units "
        f"{np.median(keep.time_constants):.3g} steps (median), "
        f"{max(keep.time_constants):.3g} (longest)"
        for keep in found.activity.keeps
    ]


def _at(by_lag: Sequence[float], lag: int) -> str:
    return f"{by_lag[lag]:.1e}" if lag < len(by_lag) else "–"
