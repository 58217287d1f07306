"""`verify` accepts what tracing makes and catches every planted fault."""

from dataclasses import replace

import pytest

from refrain import cells
from refrain.derive.reverse import reverse
from refrain.derive.simplify import simplify
from refrain.errors import GraphError
from refrain.graph.dropout import with_dropout
from refrain.graph.graph import Graph, leaf
from refrain.graph.node import Node, Op, building
from refrain.graph.ops import OPS
from refrain.graph.verify import verify
from tests.randoms import sized_cell

SIZED = [
    *(sized_cell(make, 3) for make in cells.ALL),
    cells.gru(3, reset_after=False),
]


@pytest.mark.parametrize("sized", SIZED, ids=lambda s: s.cell.name)
def test_every_stage_gives_a_sound_graph(sized):
    graph = sized.graph
    masks = {"dropout", "recurrent_dropout"}
    for made in (graph, simplify(graph), with_dropout(graph, masks), reverse(graph)):
        assert verify(made) is made


def broken(fault: str) -> Graph:
    with building():
        x, h = leaf("x", ("features",)), leaf("h_prev", ("units",))
        origin, leaves = h.origin, {"x": x, "h_prev": h}
        good = h + 1.0
        truth = h > 0.0
        unlisted = leaf("stray", ("units",))

    def node(name, inputs, shape):
        op = OPS.get(name) or Op(name, *[None] * 3)  # type: ignore[arg-type]
        return Node(op, inputs, shape, origin)

    results = {
        "no results": None,
        "unlisted leaf": h_plus(node, h, unlisted),
        "unknown primitive": node("frobnicate", (h,), ("units",)),
        "wrong shape": replace(good, shape=("features",)),
        "truth value as a number": node("negative", (truth,), ("units",)),
        "number as a condition": node("where", (h, h, h), ("units",)),
        "operands that do not fit": node("add", (x, h), ("units",)),
    }
    result = results[fault]
    return Graph("broken", leaves, {} if result is None else {"h": result})


def h_plus(node, h, other):
    return node("add", (h, other), ("units",))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no results", "broken: no results"),
        ("unlisted leaf", "stray: leaf is not listed"),
        ("unknown primitive", "frobnicate is no listed primitive"),
        ("wrong shape", r"shape \('features',\), its rule gives \('units',\)"),
        ("truth value as a number", "truth value"),
        ("number as a condition", "where: the condition h_prev is a number"),
        ("operands that do not fit", "cannot combine"),
    ],
)
def test_verify_catches(fault, message):
    with pytest.raises(GraphError, match=message):
        verify(broken(fault))
