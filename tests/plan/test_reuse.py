"""What takes a place on the tape takes one that no one reads any more."""

import pytest

from refrain import cells
from refrain.emit.llvm.vectors import Target
from refrain.graph.graph import leaf
from refrain.graph.node import building
from refrain.graph.ops import op
from refrain.plan.program import SEQUENCE, Place, Stage
from refrain.runtime.driver import Request, _plan
from tests.plan.test_plan import plan_of
from tests.randoms import sized_cell

CHANGES = {
    "plain": {},
    "last": {"sequence": False},
    "masked": {"mask": "hold"},
    "zero": {"mask": "zero", "dropout": ("dropout",)},
}


def reads(program, stage: Stage) -> set[int]:
    """Where the tape is read as the forward program left it, at this moment."""
    found = stage.reads(program.places)
    return {p.offset for p in found if p.buffer == "tape" and not p.shift}


def stores(stage: Stage) -> set[int]:
    parts = (stage, stage.idle) if stage.idle else (stage,)
    places = (place for part in parts for _, place in part.stores)
    return {place.offset for place in places if place.buffer == "streams"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("alike", [True, False], ids=["alike", "other-sizes"])
@pytest.mark.parametrize("make", cells.ALL, ids=repr)
def test_no_one_reads_what_has_been_written_over(make, alike, changes, dtype):
    """With all sizes alike a value of one kind may lie where another kind lay."""
    sized = make(**dict.fromkeys(make.sizes, 20)) if alike else sized_cell(make, 20)
    request = Request(sized, 3, dtype, training=True, **changes)
    _, plan = _plan(request, Target.host(dtype))
    program, gathering = plan.backward, plan.gathering
    if not program.over:
        (streams,) = (b for b in program.outputs if b.name == "streams")
        assert streams.kind == SEQUENCE  # apart from the tape
        return
    gone: set[int] = set()
    for stage in program.stages:
        assert not reads(program, stage) & gone
        whole = [left for loop in stage.loops for left in loop.lefts]
        whole += [reduction.operand for reduction in stage.reductions]
        assert not {p.offset for p in whole if p.buffer == "tape"} & stores(stage)
        if stage.rows > 1:  # some samples are computed twice
            assert not reads(program, stage) & stores(stage)
        gone |= stores(stage)
    products = gathering.products
    places = [place for p in products for place in (p.left, p.scale) if place]
    left = {p.offset for p in places if p.buffer == "tape"}
    assert not left & gone
    states = {copy.place.offset for copy in plan.forward.first}
    assert not states & gone


def test_a_gradient_lies_over_what_it_is_computed_from():
    plan = plan_of(cells.lstm(20))
    tape = next(b for b in plan.forward.outputs if b.name == "tape")
    streams = next(b for b in plan.backward.outputs if b.name == "streams")
    assert streams.over == "tape"
    # Two states and four saved values of 20 units in 32 numbers, and no gradient more.
    assert streams.width == tape.width == 6 * 32 + 16


def test_what_is_stored_as_it_was_read_is_read_before_its_place_is_taken():
    """And what is summed: neither is an operand of anything."""
    with building(()):
        stored, summed, new = (leaf(name, ("units",)) for name in ("a", "b", "c"))
        total = op("sum", summed)
    places = {n: Place("tape", k * 32, 20) for k, n in enumerate((stored, summed))}
    stores = (
        (new, Place("streams", 0, 20)),
        (new, Place("streams", 32, 20)),
        (stored, Place("streams", 64, 20)),
    )
    number = (total, Place("scratch", 0, 1))
    stage = Stage(20, 1, 1, (), (), (), (), stores, summed=(number,))
    assert stage.replaced(places, {"streams": "tape"}) == [stored, summed]
    assert stage.replaced(places, {}) == []
