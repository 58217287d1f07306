"""How far back a trained network remembers and learns, from its derived gradient."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from refrain.compare.contest import Contest
from refrain.compare.record import Memory
from refrain.study.flow import gradient_flow
from refrain.study.gates import activations, activity
from refrain.study.walk import Walk
from refrain.study.watch import watch

PLACES = 4  # of what goes into a file for a drawing


def memory_of(contest: Contest, model: keras.Model) -> Memory:
    """Look into a network while it reads some held-out sequences.

    The loss on their targets is followed back in time through its first recurrent
    layer that reads with time.
    """
    heard = next(
        h
        for h in watch(model, *contest.held_out, contest.keras_loss())
        if not h.layer.go_backwards
    )
    way = heard.walks[-1]
    flow = gradient_flow(way, heard.grad_outputs, heard.grad_last)
    by_lag = np.linalg.norm(np.array(list(flow.loss.values())), axis=0)
    return Memory(
        steps=flow.steps,
        horizon=flow.horizon,
        influence=tuple(map(float, flow.influence)),
        gradient=tuple(map(float, by_lag / max(by_lag[0], 1e-300))),
        gates=_gates(way),
    )


def _gates(way: Walk) -> dict[str, list[list[float]]]:
    """Named gates on the last sequence, by step; the states where there is none."""
    first = way.steps - int(way.counts[-1])
    gates = [gate.name for gate in activity(way).gates if gate.low == 0]
    values = activations(way)
    if not gates:
        return {s: _rounded(way.states[s][-1, first + 1 :]) for s in way.states}
    return {name: _rounded(values[name][-1, first:]) for name in gates}


def _rounded(values: Any) -> list[list[float]]:
    return np.round(np.asarray(values, float), PLACES).tolist()
