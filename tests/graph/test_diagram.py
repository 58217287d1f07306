"""Drawings of cells: what they show, and that nothing lies over anything else."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refrain import cells
from refrain.graph import functions as fn
from refrain.graph.diagram.elements import fold
from refrain.graph.diagram.measure import measure, text_width
from refrain.graph.diagram.place import place
from refrain.graph.diagram.svg import diagram
from refrain.graph.graph import Graph, leaf
from refrain.graph.node import building

GRAPHS = {
    **{made.name: made.graph() for made in cells.ALL},
    "gru_reset_before": cells.gru.graph(reset_after=False),
    "lstm_softsign": cells.lstm.graph(activation=fn.softsign, use_bias=False),
}
IMAGES = Path(__file__).parents[2] / "docs" / "images"
SVG = "{http://www.w3.org/2000/svg}"


def parsed(text):
    return ElementTree.fromstring(text)  # noqa: S314 (written by us)


def drawn(graph):
    return measure(place(fold(graph)))


def bounds(box):
    half, tall = box.width / 2, box.height / 2
    return box.x - half, box.y - tall, box.x + half, box.y + tall


def segments(wire):
    """The parts of a wire, as (left, top, right, bottom)."""
    for (a, b), (c, d) in itertools.pairwise(wire.points):
        yield min(a, c), min(b, d), max(a, c), max(b, d)


def overlap(one, other, gap=0.0):
    return (
        one[0] < other[2] + gap
        and other[0] < one[2] + gap
        and one[1] < other[3] + gap
        and other[1] < one[3] + gap
    )


def faults(drawing):
    """What lies where it must not: pairs, each with a word for what is wrong."""
    boxes = drawing.boxes
    found = [
        ("boxes overlap", a.element.about, b.element.about)
        for a, b in itertools.combinations(boxes, 2)
        if overlap(bounds(a), bounds(b), gap=2)
    ]
    for wire in drawing.wires:
        for part in segments(wire):
            if part[0] != part[2] and part[1] != part[3]:
                found.append(("slanted", wire.source.symbol, part))
            found += [
                ("a line in a box", wire.source.about, box.element.about)
                for box in boxes
                if overlap(part, bounds(box))
            ]
    found += [
        ("two values on one line", a.source.about, b.source.about)
        for a, b in itertools.combinations(drawing.wires, 2)
        if a.source is not b.source
        for one, other in itertools.product(segments(a), segments(b))
        if along(one, other)
    ]
    left, top, right, bottom = drawing.frame
    found += [
        ("outside", box.element.about, "")
        for box in boxes
        if not (left < bounds(box)[0] and bounds(box)[2] < right)
        or not (top < bounds(box)[1] and bounds(box)[3] < bottom)
    ]
    return found


def along(one, other):
    """Whether two lines run over each other: more than a point is common to them."""
    for k in (0, 1):
        flat = one[k] == one[k + 2] == other[k] == other[k + 2]
        low = max(one[1 - k], other[1 - k])
        if flat and low < min(one[3 - k], other[3 - k]):
            return True
    return False


def connected(drawing):
    """For each element, what its arrows bring: sources whose lines touch its edge."""
    brought = {box.element: [] for box in drawing.boxes}
    at = {box.element: bounds(box) for box in drawing.boxes}
    for wire in drawing.wires:
        if wire.target:
            (x, y), edge = wire.points[-1], at[wire.target]
            assert edge[0] <= x <= edge[2]
            assert edge[1] <= y <= edge[3]
            assert x in (edge[0], edge[2]) or y in (edge[1], edge[3])
            brought[wire.target].append(wire.source)
    return brought


def is_whole(drawing, source):
    """Whether all lines of a value hang together, and with what it comes from."""
    parts = [p for w in drawing.wires if w.source is source for p in segments(w)]
    parts += [bounds(box) for box in drawing.boxes if box.element is source]
    found, pending = parts[:1], parts[1:]
    while near := [p for p in pending if any(touch(p, q) for q in found)]:
        found += near
        pending = [p for p in pending if p not in near]
    return not pending


def touch(one, other):
    return (
        one[0] <= other[2]
        and other[0] <= one[2]
        and one[1] <= other[3]
        and other[1] <= one[3]
    )


def check(drawing):
    assert not faults(drawing)
    for element, brought in connected(drawing).items():
        assert sorted(map(id, brought)) == sorted(map(id, element.operands))
    for source in {wire.source for wire in drawing.wires}:
        assert is_whole(drawing, source), f"{source.about} is in two pieces"


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_pictures_in_the_documentation_are_what_the_cell_draws(cell, request):
    file, text = IMAGES / f"{cell}.svg", getattr(cells, cell).diagram()
    if request.config.getoption("--update-golden"):
        file.write_text(text)
    assert text == file.read_text()


@pytest.mark.parametrize("name", GRAPHS)
def test_nothing_lies_over_anything_else_and_all_lines_arrive(name):
    check(drawn(GRAPHS[name]))


@pytest.mark.parametrize("made", cells.ALL, ids=lambda c: c.name)
def test_every_state_and_gate_is_named(made):
    root = parsed(made.diagram())
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    for state in made.states:
        assert texts.count(f"{state}t−1") == 1
        assert f"{state}t" in texts
    assert "xt" in texts
    shown = {name for text in texts for name in text.split(", ")}
    assert set(made.gates) <= shown
    assert root.find(f"{SVG}title").text == f"One step of {made.name}"
    described = root.find(f"{SVG}desc").text
    assert {*made.states, *made.gates} <= set(re.findall(r"\w+", described))


@pytest.mark.parametrize("name", GRAPHS)
def test_texts_fit_their_boxes_and_labels_are_apart(name):
    drawing = drawn(GRAPHS[name])
    for box in drawing.boxes:
        size = 15 if box.element.kind != "circle" else 11
        assert text_width(box.element.symbol, size) <= box.width
        assert text_width(box.element.name, 12) <= box.width
    for (_, a), (_, b) in itertools.combinations(drawing.labels, 2):
        assert abs(a[0] - b[0]) >= 30 or abs(a[1] - b[1]) >= 17


@pytest.mark.parametrize("name", GRAPHS)
def test_signs_beside_arrows_touch_no_box(name):
    boxes = [bounds(box) for box in drawn(GRAPHS[name]).boxes]
    for sign in re.findall(r'"sign" x="(.*?)" y="(.*?)"', diagram(GRAPHS[name])):
        x, y = map(float, sign)
        assert not any(overlap((x - 4, y - 7, x + 4, y - 1), box) for box in boxes)


@pytest.mark.parametrize("name", GRAPHS)
def test_states_leave_at_the_height_at_which_they_enter(name):
    drawing = drawn(GRAPHS[name])
    left, _, right, _ = drawing.frame
    enter = {n: y for n, (x, y) in drawing.labels if x < left}
    leave = {f"{n}_prev": y for n, (x, y) in drawing.labels if x > right}
    assert enter == leave


def test_lstm_looks_as_in_a_textbook():
    drawing = drawn(GRAPHS["lstm"])
    boxes = sorted(drawing.boxes, key=lambda b: (b.element.kind, b.x))
    gates = [b for b in boxes if b.element.kind == "gate"]
    assert [b.element.name for b in gates] == ["f", "i", "g", "o"]
    assert [b.element.symbol for b in gates] == ["σ", "σ", "tanh", "σ"]
    assert len({b.y for b in gates}) == 1
    heights = {name: y for name, (x, y) in drawing.labels}
    line = [b.element.symbol for b in boxes if b.y == heights["c"]]
    assert line == ["×", "+"]
    assert heights["c"] < min(b.y for b in gates)
    assert max(b.y for b in gates) < heights["h_prev"]


def test_subtraction_and_division_say_what_is_taken_away():
    with building():
        a, b = leaf("h_prev", ("units",)), leaf("c_prev", ("units",))
        results = {"output": a - b, "h": a - b, "c": a / b}
        graph = Graph("signs", {"x": a, "h_prev": a, "c_prev": b}, results)
    made = {b.element.symbol: b.element for b in drawn(graph).boxes}
    assert made["+"].inverse == (made["+"].operands[1], "−")
    assert made["÷"].inverse == (made["÷"].operands[1], "÷")
    assert re.findall(r'"sign"[^>]*>(.)<', diagram(graph)) == ["−", "÷"]


def test_states_that_pass_values_on_do_not_share_a_line():
    with building():
        x, a, b = (leaf(n, ("units",)) for n in ("x", "a_prev", "b_prev"))
        for results in ({"a": x, "b": a}, {"a": b, "b": a}, {"a": a, "b": x}):
            leaves = {"x": x, "a_prev": a, "b_prev": b}
            check(drawn(Graph("delay", leaves, {"output": b, **results})))


def test_names_are_escaped():
    graph = GRAPHS["lstm"]
    text = diagram(Graph("<&>", graph.leaves, graph.results))
    assert parsed(text).find(f"{SVG}title").text == "One step of <&>"


def test_a_cell_of_ones_own_with_its_output_by_name():
    @cells.cell(state="h", output="y", gates=("n",))
    def own(x, h_prev, W, U, b):
        h = h_prev + fn.gelu(x @ W.n + h_prev @ U.n + b.n)
        return fn.maximum(h, 0.5) * 3.0, h

    check(drawn(own.graph()))
    text = own.diagram()
    for shown in (">gelu<", ">max 0.5<", ">×3<", ">y<tspan"):
        assert shown in text


def test_two_processes_draw_alike():
    code = (
        "from refrain import cells\n"
        "print(*(made.diagram() for made in cells.ALL), sep='')"
    )
    texts = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(texts) == 1


STEPS = (
    lambda U, bias, a, b, c: fn.sigmoid(a @ U + b @ U + bias),
    lambda U, bias, a, b, c: fn.tanh(a @ U + b),
    lambda U, bias, a, b, c: a * b,
    lambda U, bias, a, b, c: a + b,
    lambda U, bias, a, b, c: a - b,
    lambda U, bias, a, b, c: 1.0 - a,
    lambda U, bias, a, b, c: fn.tanh(a),
    lambda U, bias, a, b, c: fn.where(a > b, c, a),
)


@st.composite
def random_steps(draw):
    """A step of a random cell with two states: gates, functions and arithmetic."""
    with building():
        leaves = {
            name: leaf(name, ("units",)) for name in ("x", "h_prev", "c_prev", "b")
        }
        leaves["U"] = leaf("U", ("units", "units"))
        known = [leaves["x"], leaves["h_prev"], leaves["c_prev"]]
        for _ in range(draw(st.integers(2, 14))):
            a, b, c = (draw(st.sampled_from(known)) for _ in range(3))
            known.append(
                draw(st.sampled_from(STEPS))(leaves["U"], leaves["b"], a, b, c)
            )
        names = ("output", "h", "c")
        results = {name: draw(st.sampled_from(known)) for name in names}
        return Graph("random", leaves, results)


@settings(deadline=None, max_examples=200)
@given(graph=random_steps())
def test_any_step_is_drawn_without_a_fault(graph):
    check(drawn(graph))
