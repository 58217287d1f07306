import pytest

from refrain import cells, layers
from refrain.errors import CellError
from refrain.study.candidates import CANDIDATES, find_candidates


def test_candidates_come_in_the_order_in_which_they_are_named():
    assert [c.key for c in find_candidates(" GRU, rnn,")] == ["gru", "rnn"]
    assert tuple(CANDIDATES.values()) == find_candidates("rnn,lstm,gru,bilstm")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("rnn,gruu", "unknown cell 'gruu'; expected one or more of rnn, lstm, gru"),
        ("rnn,lstm,rnn", "'rnn' is named twice"),
        (" , ", "no cell named; expected one or more of"),
    ],
)
def test_a_choice_that_cannot_be_met_is_explained(names, message):
    with pytest.raises(CellError, match=message):
        find_candidates(names)


@pytest.mark.parametrize(
    ("key", "gates"), [("rnn", 0), ("gru", 2), ("lstm", 3), ("bilstm", 3)]
)
def test_gates_are_counted_in_the_equations(key, gates):
    assert CANDIDATES[key].gates == gates


@pytest.mark.parametrize(
    ("key", "layer"),
    [("rnn", layers.SimpleRNN), ("gru", layers.GRU), ("lstm", layers.LSTM)],
)
def test_a_candidate_builds_its_layer(key, layer):
    built = CANDIDATES[key].build(5, return_sequences=True)
    assert type(built) is layer
    assert built.units == 5
    assert built.return_sequences


def test_two_directions_are_a_bidirectional_layer():
    built = CANDIDATES["bilstm"].build(5)
    assert type(built) is layers.Bidirectional
    assert built.forward_layer.units == built.backward_layer.units == 5
    assert built.compute_output_shape((1, 7, 3)) == (1, 10)


@pytest.mark.parametrize(
    "name", [c.name for c in cells.ALL if c.name not in CANDIDATES]
)
def test_every_cell_of_the_zoo_can_be_compared(name):
    (candidate,) = find_candidates(name)
    built = candidate.build(5, return_sequences=True)
    built.build((None, 4, 3))
    assert f"equations of {name} " in built.explain()
    assert built.return_sequences
