"""All changes of a cell's equations that can be asked for, made in one order.

Kernels and the scan run the graph that comes out of here, and so mean the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from refrain.graph.dropout import DROPOUT, RECURRENT_DROPOUT, with_dropout
from refrain.graph.graph import INPUT, OUTPUT, Graph
from refrain.graph.lookup import with_lookup
from refrain.graph.masking import HELD, MASK, hold_output, with_mask
from refrain.graph.resets import RESETS, START, with_resets
from refrain.graph.zoneout import ZONEOUT, with_zoneout

EVERY = "every_"  # before a state's name: a result that leaves at each step
# Leaves of a step that are no weights, and results that are no states.
LEAVES = (INPUT, f"{HELD}_prev", MASK, RESETS, START)
LEAVES += (DROPOUT, RECURRENT_DROPOUT, ZONEOUT)
RESULTS = (OUTPUT, HELD)


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is asked for beside a cell's own equations.

    Attributes:
        dropout: names of the dropout masks.
        zoneout: states that keep old values, each with the rate, or with None where
            it is drawn for each unit and step.
        mask: None, or what a skipped step puts out: `hold` the output before, `zero`.
        resets: sequences begin anew where an input says so.
        trained_start: they begin at trained states, not at zero.
        every_state: the states of all steps leave as well.
        lookup: the input is one-hot, and given as the index of its one.
    """

    dropout: tuple[str, ...] = ()
    zoneout: tuple[tuple[str, float | None], ...] = ()
    mask: str | None = None
    resets: bool = False
    trained_start: bool = False
    every_state: bool = False
    lookup: bool = False


def changed(
    graph: Graph, states: Sequence[str], changes: Changes, keep_output: bool = False
) -> tuple[Graph, tuple[str, ...]]:
    """One step with all changes in it, and the states that it then carries.

    Args:
        graph: one step of a cell.
        states: names of its states.
        changes: what is asked for.
        keep_output: the output is carried, as `held`, where it is not the first state.
    """
    own = tuple(states)
    carried = own
    graph = with_dropout(graph, set(changes.dropout))
    graph = with_zoneout(graph, dict(changes.zoneout))
    output_is_state = graph.results[OUTPUT] is graph.results[own[0]]
    if changes.mask is not None:
        graph = with_mask(graph, own, zero_output=changes.mask == "zero")
        output_is_state = False
    if not output_is_state and (changes.mask == "hold" or keep_output):
        graph = hold_output(graph)
        carried = (*own, HELD)
    if changes.resets:
        graph = with_resets(graph, carried, changes.trained_start)
    if changes.every_state:
        graph = with_every_state(graph, own)
    if changes.lookup:
        graph = with_lookup(graph)
    return graph, carried


def with_every_state(graph: Graph, states: Sequence[str]) -> Graph:
    """The graph with its new states as results of every step, `every_<state>`.

    A state that is the output leaves as that alone.
    """
    output = graph.results[OUTPUT]
    more = {
        f"{EVERY}{state}": graph.results[state]
        for state in states
        if graph.results[state] is not output
    }
    return replace(graph, results={**graph.results, **more})
