"""Plans: what runs when, for the cells that everybody knows, and what never happens."""

import pytest

from refrain import cells
from refrain.cells import cell, vector
from refrain.derive.reverse import reverse
from refrain.derive.simplify import simplify
from refrain.functions import layer_norm, sigmoid, softmax, tanh
from refrain.graph.dropout import with_dropout
from refrain.graph.graph import ordered
from refrain.graph.masking import hold_output, with_mask
from refrain.graph.ops import OPS
from refrain.graph.verify import verify
from refrain.plan.layout import Machine
from refrain.plan.passes import make_plan
from refrain.plan.show import show
from refrain.plan.sizes import fold_sizes
from refrain.plan.tape import CHEAP, choose_saved
from refrain.plan.task import Task
from refrain.runtime.driver import parts_of
from tests.randoms import sized_cell

AVX512 = Machine(lanes=16, registers=32, rows=16)
AVX2 = Machine(lanes=8, registers=16, rows=16)


def plan_of(sized, machine=AVX512, training=True, dropout=(), mask=None):
    graph = with_dropout(sized.graph, set(dropout))
    states = tuple(sized.cell.states)
    if mask:
        graph = with_mask(graph, states, zero_output=mask == "zero")
        if mask == "hold":
            graph, states = hold_output(graph), (*states, "held")
    graph = verify(simplify(graph))
    sizes = {**sized.sizes, "features": 3}
    gradient = verify(simplify(fold_sizes(reverse(graph), sizes)))
    variables = sized.variables(3)
    return make_plan(
        Task(
            graph,
            gradient if training else None,
            states,
            sizes,
            parts_of(variables),
            {v.name: 1 for v in variables},
            sequence=True,
            against_time=False,
            machine=machine,
        )
    )


PLANNED = {
    "simple_rnn": cells.simple_rnn(20),
    "lstm": cells.lstm(20),
    "lstm_projection": cells.lstm_projection(20, projection=7),
    "peephole_lstm": cells.peephole_lstm(20),
    "gru": cells.gru(20),
    "gru_reset_before": cells.gru(20, reset_after=False),
    "layer_norm_gru": cells.layer_norm_gru(20),
    "rhn": cells.rhn(20),
    "rg_lru": cells.rg_lru(20),
}


@pytest.mark.parametrize("name", PLANNED)
def test_plan(name, golden):
    golden(show(plan_of(PLANNED[name])))


def test_plan_masked_with_dropout(golden):
    plan = plan_of(cells.lstm(20), dropout={"recurrent_dropout.i"}, mask="hold")
    golden(show(plan))


def test_lstm_is_one_stage_forward():
    (stage,) = plan_of(cells.lstm(128), training=False).forward.stages
    assert len(stage.sums) == 4
    assert [len(loop.terms) for loop in stage.loops] == [4, 4]


def test_reset_before_needs_a_second_stage():
    sized = cells.gru(16, reset_after=False)
    assert len(plan_of(sized, training=False).forward.stages) == 2


@pytest.mark.parametrize("machine", [AVX512, AVX2], ids=["avx512", "avx2"])
@pytest.mark.parametrize("units", [16, 50, 128, 130])
@pytest.mark.parametrize("make", cells.ALL, ids=repr)
def test_accumulators_fit_the_registers(make, units, machine):
    plan = plan_of(sized_cell(make, units), machine)
    for program in (plan.forward, plan.backward):
        for stage in program.stages:
            for loop in stage.loops:
                sums = len({term.sum_index for term in loop.terms})
                used = stage.rows * stage.vectors * sums
                assert used + stage.vectors + 1 <= machine.registers


@pytest.mark.parametrize("make", cells.ALL, ids=repr)
def test_what_weights_alone_give_is_computed_once(make):
    sized = sized_cell(make, 16)
    plan, weights = plan_of(sized), parts_of(sized.variables(3))
    for program in (plan.forward, plan.backward):
        body = [node for stage in program.stages for node in stage.body]
        for node in (n for n in body if n.inputs and n.op not in CHEAP):
            leaves = [n for n in ordered([node]) if n.op is OPS["leaf"]]
            assert not all(str(n.attribute) in weights for n in leaves)


def test_a_few_operations_are_done_again_instead_of_stored():
    backward = plan_of(cells.gru(16, reset_after=False)).backward
    scratch = [b.width for b in backward.outputs if b.name == "scratch"]
    assert scratch == [16]  # the gradient of r * h_prev, and nothing else


def test_what_is_saved_took_work_to_compute():
    graph = simplify(cells.lstm(4).graph)
    gradient = simplify(reverse(graph))
    saved = choose_saved(graph, gradient, ("h", "c"))
    # Of the two `tanh`, that of the new cell state is computed again from it.
    assert sorted(n.op.name for n in saved) == ["sigmoid"] * 3 + ["tanh"]
    assert graph.results["c"] not in [n.inputs[0] for n in saved]


@cell(state="h", gates=("a", "k"))
def deep(x, h_prev, W, U, b):
    """Products of products, and a reduction between them."""
    a = softmax(x @ W.a + h_prev @ U.a + b.a)
    k = tanh((a * h_prev) @ U.k + x @ W.k + b.k)
    return sigmoid((k * a) @ U.a + h_prev)


@cell(state="h", s=vector(initializer="ones"))
def normalised(x, h_prev, W, U, b, s):
    """Layer normalisation of a product."""
    return tanh(layer_norm(h_prev @ U, s) + x @ W + b)


def test_every_value_is_there_before_it_is_read():
    plan = plan_of(deep(20))
    for program in (plan.forward, plan.backward):
        stored = {n for n in program.places if not _made_by(program, n)}
        for stage in program.stages:
            stored |= {r.node for r in stage.reductions}
            inside = {*stage.body, *(s.root for s in stage.sums)}
            for node in stage.body:
                count = {OPS["broadcast"]: 1, OPS["size"]: 0}.get(node.op)
                for operand in node.inputs[:count]:
                    named = operand.op in (OPS["leaf"], OPS["constant"])
                    assert named or operand in inside or operand in stored
            stored |= {node for node, _ in (*stage.stores, *stage.summed)}


def _made_by(program, node) -> bool:
    made = [n for s in program.stages for n, _ in (*s.stores, *s.summed)]
    made += [r.node for s in program.stages for r in s.reductions]
    return node in made and node.op is not OPS["leaf"]


def test_what_a_stage_computes_it_sums_itself():
    """The squares of layer normalisation are summed where they arise."""
    stages = plan_of(normalised(20)).forward.stages
    products, mean, squares, *_ = stages
    assert products.loops
    assert not products.summed
    assert [r.node.op.name for r in mean.reductions] == ["mean"]  # after the product
    ((node, place),) = squares.summed
    assert node.op.name == "mean"
    assert node.inputs[0].op.name == "multiply"
    assert node.inputs[0] not in dict(squares.stores)
    assert place.width == 1
    assert not any(stage.reductions for stage in stages if stage is not mean)


def test_nothing_is_stored_in_one_place_twice():
    plan = plan_of(cells.lstm(20), dropout={"dropout", "recurrent_dropout"})
    for program in (plan.forward, plan.backward):
        places = [p for stage in program.stages for _, p in stage.stores]
        assert len(places) == len(set(places))


def test_gradient_shares_the_forward_nodes():
    graph = simplify(cells.gru(4).graph)
    gradient = simplify(reverse(graph))
    shared = set(graph.nodes()) & set(ordered(gradient.results.values()))
    assert len(shared) > len(graph.leaves)
