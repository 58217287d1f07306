"""A cell as data: it comes back whole, and nothing else is taken for a cell."""

import copy
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refrain import cells
from refrain.cells import SizedCell, cell, from_record, matrix, to_record, vector
from refrain.cells.define import DEFINED
from refrain.cells.record import LARGEST_SIZE, _cell_of
from refrain.errors import CellError
from refrain.functions import sigmoid, tanh
from refrain.graph.equations import text
from refrain.graph.evaluate import run
from tests.randoms import random_states, random_weights, unpacked

FEATURES = 3


def sized(made):
    others = dict.fromkeys(made.sizes[1:], 5)
    return made(4, **others)


@pytest.fixture
def _nobody_knows(monkeypatch):
    """A process that defines no cell."""
    monkeypatch.setattr("refrain.cells.record.DEFINED", {})


def over_json(record):
    return json.loads(json.dumps(record))


def outputs(one: SizedCell, like: SizedCell):
    rng = np.random.default_rng(0)
    weights = unpacked(one, FEATURES, random_weights(like, FEATURES, rng))
    states = random_states(like, 2, rng)
    x = rng.normal(size=(2, 6, FEATURES))
    return run(one.graph, x, states, weights)[0]


@pytest.mark.parametrize("made", cells.ALL, ids=lambda c: c.name)
def test_a_defined_cell_is_recognised(made):
    assert from_record(over_json(to_record(sized(made)))).cell is made


@pytest.mark.usefixtures("_nobody_knows")
@pytest.mark.parametrize("made", cells.ALL, ids=lambda c: c.name)
def test_a_cell_comes_back_without_its_source(made):
    original = sized(made)
    record = over_json(to_record(original))
    found = from_record(record)
    assert found.cell is not made
    assert over_json(to_record(found)) == record
    assert [(v.name, v.shape) for v in found.variables(FEATURES)] == [
        (v.name, v.shape) for v in original.variables(FEATURES)
    ]
    np.testing.assert_array_equal(outputs(found, original), outputs(original, original))


def picture(cell):
    """The diagram, but for the lines of the source."""
    return re.sub("(?s)<title>.*?</title>", "", cell.diagram())


@pytest.mark.usefixtures("_nobody_knows")
@pytest.mark.parametrize("made", cells.ALL, ids=lambda c: c.name)
def test_a_loaded_cell_shows_the_names_of_its_source(made):
    found = from_record(over_json(to_record(sized(made)))).cell
    assert text(found.graph()) == text(made.graph())
    assert found.latex() == made.latex()
    assert picture(found) == picture(made)


def test_names_are_data_that_older_files_lack():
    record = over_json(to_record(cells.gru(4)))
    assert {"z", "r", "n"} <= set(record["names"])
    del record["names"]
    assert from_record(record).cell is cells.gru
    record["name"] = "other"
    record["equations"] = record["equations"].replace("graph gru", "graph other")
    assert "sigmoid" in text(from_record(record).cell.graph())


@pytest.mark.usefixtures("_nobody_knows")
def test_equal_records_are_one_cell():
    record = over_json(to_record(cells.gru(4, use_bias=False)))
    assert from_record(record).cell is from_record(record).cell
    assert [v.name for v in from_record(record).variables(2)] == [
        "kernel",
        "recurrent_kernel",
    ]


@pytest.mark.usefixtures("_nobody_knows")
def test_loading_defines_nothing():
    before = {name: list(made) for name, made in DEFINED.items()}
    from_record(over_json(to_record(cells.gru(4))))
    assert before == DEFINED


@pytest.mark.usefixtures("_nobody_knows")
def test_other_options_need_the_source():
    found = from_record(over_json(to_record(cells.lstm(4, activation="relu"))))
    assert found.cell.options["activation"] == "relu"
    with pytest.raises(
        CellError, match=r"(?s)activation='relu'.*need the cell's source"
    ):
        found.cell(4, activation="tanh")


@cell(
    state={"h": "units", "m": "slots"},
    gates=("f",),
    V=matrix("units", "slots", by_gate={}),
    p=vector("slots", initializer=0.5),
)
def wide(x, h_prev, m_prev, W, U, b, V, p):
    f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
    h = f * h_prev + (1 - f) * tanh(x @ W.f)
    return h, p * m_prev + h @ V


RECORD = over_json(to_record(wide(4, slots=2)))


def changed(path, value):
    record = copy.deepcopy(RECORD)
    *into, last = path
    place = record
    for key in into:
        place = place[key]
    place[last] = value
    return record


@pytest.mark.usefixtures("_nobody_knows")
@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("name",), "os.system", "name: expected a name, received 'os.system'"),
        (("name",), "other", "expected the equations of other, received those of"),
        (("sizes", "units"), 0, "expected units from 1 to"),
        (("sizes", "units"), 10**40, "expected units from 1 to .* a large int"),
        (("sizes", "units"), LARGEST_SIZE, "numbers at most"),
        (("sizes", "units"), True, "expected a whole number, received True"),
        (("sizes",), {"slots": 2}, "expected the size units"),
        (("states",), {"h": "units"}, "m_prev"),
        (("states", "m"), "units", "m_prev: expected the shape"),
        (("gates",), "f", "expected a list"),
        (("options", "rate"), 1e300, "expected a number or a name"),
        (("options", "rate"), [1], "expected a number or a name"),
        (("weights", "W", "variable"), "__class__", "expected a name"),
        (("weights", "W", "variable"), "tape", "a name that kernels use"),
        (("weights", "W", "shape"), ["units", "units"], "W.f: expected the shape"),
        (("weights", "W", "gates"), ["f", "f"], "a gate is named twice"),
        (("weights", "W", "initializer"), {"class_name": "x"}, "expected a name"),
        (("weights", "W", "code"), "print()", "expected a W|with the entries"),
        (("weights",), {}, "leaf"),
        (("equations",), "graph wide\n", "'f' cannot be the name"),
        (("equations",), 7, "expected a text, received 7"),
        (("names",), ["f"], "names: expected a mapping"),
        (("names", "a b"), "%0", "names: expected a name, received 'a b'"),
        (("names", "f"), 3, "names: f: expected a text, received 3"),
        (("names", "f"), "%99", "'f' cannot be the name of '%99'"),
        (("names", "h_prev"), "%0", "'h_prev' cannot be the name of '%0'"),
    ],
)
def test_what_is_no_sound_cell_is_refused(path, value, message):
    with pytest.raises(CellError, match=message):
        from_record(changed(path, value))


def test_equations_without_an_output_are_refused():
    text = RECORD["equations"].replace("-> output =", "-> outcome =")
    with pytest.raises(CellError, match="expected a result named output"):
        from_record(changed(("equations",), text))


@pytest.mark.parametrize("given_", [None, 3, "lstm", [], {"name": "lstm"}])
def test_what_is_no_record_is_refused(given_):
    with pytest.raises(CellError, match="expected a cell with the entries name"):
        from_record(given_)


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["units", "features", "h", "m", "W", "f", "bias", "kernel", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(value, path=()):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from paths(inner, (*path, key))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(paths(RECORD))), ANYTHING)
def test_any_mutation_is_a_sound_cell_or_refused(path, value):
    check(changed(path, value))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_mutation_of_the_equations_is_a_sound_cell_or_refused(data):
    tokens = RECORD["equations"].split(" ")
    for _ in range(data.draw(st.integers(1, 3))):
        k = data.draw(st.integers(0, len(tokens) - 1))
        tokens[k] = data.draw(st.sampled_from(tokens) | st.text(max_size=6))
    check(changed(("equations",), " ".join(tokens)))


def check(record):
    _cell_of.cache_clear()
    try:
        found = from_record(record)
    except CellError:
        return
    if max(found.sizes.values()) < 100:
        assert np.shape(outputs(found, found))[:2] == (2, 6)
