"""Writes a cell's diagram as SVG, readable on light and dark ground."""

from __future__ import annotations

from dataclasses import replace
from html import escape

from refrain.graph.diagram.elements import fold
from refrain.graph.diagram.measure import RADIUS, Box, Drawing, Wire, measure
from refrain.graph.diagram.place import place
from refrain.graph.graph import OUTPUT, Graph

STYLE = """
.refrain-cell text { font: 15px Helvetica, Arial, sans-serif; text-anchor: middle;
  fill: #1f2328; }
.refrain-cell .name { font: italic 12px Georgia, 'Times New Roman', serif; }
.refrain-cell .value { font: italic 17px Georgia, 'Times New Roman', serif; }
.refrain-cell .sign { font-size: 13px; }
.refrain-cell .below { font-size: 11px; }
.refrain-cell .frame { fill: #eef5ea; stroke: #7c9a6e; stroke-width: 1.5; }
.refrain-cell .wire { fill: none; stroke: #1f2328; stroke-width: 1.6; }
.refrain-cell .dot, .refrain-cell .arrow { fill: #1f2328; }
.refrain-cell .gate { fill: #f8dd86; stroke: #6b5a1e; }
.refrain-cell .function { fill: #f3c9a5; stroke: #7a4a1e; }
.refrain-cell .circle { fill: #f4b3bd; stroke: #7d3340; }
@media (prefers-color-scheme: dark) {
  .refrain-cell .value, .refrain-cell .sign { fill: #e6edf3; }
  .refrain-cell .frame { fill: #202b22; }
  .refrain-cell .wire { stroke: #d5dde5; }
  .refrain-cell .dot, .refrain-cell .arrow { fill: #d5dde5; }
}
"""


def diagram(graph: Graph, output: str = OUTPUT) -> str:
    """Draw one step of a cell as SVG.

    Gates are boxes with their function and their name; products with weights, and
    biases, are inside. States enter on the left and leave on the right at the same
    height, the input comes from below, the output leaves at the top.

    Args:
        graph: the equations of a cell.
        output: name of what leaves the cell, if it is no state.

    Returns:
        The text of an SVG file; the same graph always gives the same text.
    """
    drawing = measure(place(fold(graph)))
    named = [(output if n == OUTPUT else n, at) for n, at in drawing.labels]
    return write(graph, replace(drawing, labels=named))


def write(graph: Graph, drawing: Drawing) -> str:
    """The SVG of a drawing whose places are known."""
    left, top, right, bottom = drawing.frame
    width, height = _number(drawing.width), _number(drawing.height)
    states = ", ".join(name for name in graph.results if name != OUTPUT)
    gates = dict.fromkeys(box.element.name for box in drawing.boxes)
    names = f"; gates: {', '.join(filter(None, gates))}" if any(gates) else ""
    about = (
        f"States: {states}{names}. States run from left to right, x comes from below."
    )
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" class="refrain-cell" role="img"',
        f'  width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
        f"<title>One step of {escape(graph.name)}</title>",
        f"<desc>{escape(about)}</desc>",
        f"<style>{STYLE}</style>",
        _rect("frame", left, top, right - left, bottom - top, 18),
        *map(_wire, drawing.wires),
        *(f'<circle class="dot" {_at(p, "c")} r="3"/>' for p in drawing.dots),
        *map(_box, drawing.boxes),
        *(_label(name, point, drawing) for name, point in drawing.labels),
        "</svg>",
    ]
    return "\n".join(p for p in parts if p) + "\n"


def _wire(wire: Wire) -> str:
    text = ""
    if len(set(wire.points)) > 1:
        points = " ".join(f"{_number(x)},{_number(y)}" for x, y in wire.points)
        text = f'<polyline class="wire" points="{points}"/>'
    if wire.target is None:
        return text
    start, end = wire.points[-2:]
    text += _arrow(start, end)
    if wire.target.inverse and wire.target.inverse[0] is wire.source:
        dx, dy = (
            (-10, -6) if start[1] == end[1] else (9, 14 if end[1] < start[1] else -6)
        )
        place = (end[0] + dx, end[1] + dy)
        text += f'<text class="sign" {_at(place)}>{wire.target.inverse[1]}</text>'
    return text


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> str:
    """A triangle whose tip is the end; a line of no length points to the right."""
    (x, y), dx, dy = end, end[0] - start[0], end[1] - start[1]
    way = (0, 1 if dy > 0 else -1) if dy else (1 if dx >= 0 else -1, 0)
    back = (x - 7 * way[0], y - 7 * way[1])
    side = (3.5 * way[1], 3.5 * way[0])
    corners = [end, (back[0] + side[0], back[1] + side[1])]
    corners.append((back[0] - side[0], back[1] - side[1]))
    points = " ".join(f"{_number(a)},{_number(b)}" for a, b in corners)
    return f'<polygon class="arrow" points="{points}"/>'


def _box(box: Box) -> str:
    element, (x, y) = box.element, (box.x, box.y)
    if element.kind == "circle":
        shape = f'<circle class="circle" {_at((x, y), "c")} r="{_number(RADIUS)}"/>'
    else:
        left, top = x - box.width / 2, y - box.height / 2
        shape = _rect(element.kind, left, top, box.width, box.height, 5)
    lift = -3 if element.name else 5
    small = (
        ' style="font-size: 11px"'
        if element.kind == "circle" and len(element.symbol) > 2
        else ""
    )
    texts = f"<text {_at((x, y + lift))}{small}>{escape(element.symbol)}</text>"
    if element.name:
        texts += f'<text class="name" {_at((x, y + 13))}>{escape(element.name)}</text>'
    return f"<g><title>{escape(element.about)}</title>{shape}{texts}</g>"


def _label(name: str, point: tuple[float, float], drawing: Drawing) -> str:
    """The name of a value that enters or leaves, with its time as an index."""
    left, top, right, _ = drawing.frame
    x, y = point
    when = "t−1" if name.endswith("_prev") else "t"
    anchor, arrow = "middle", ""
    if x < left:
        anchor, x, y = "end", x - 6, y + 5
    elif x > right:
        anchor, arrow, x, y = "start", _arrow((x - 1, y), point), x + 6, y + 5
    elif y < top:
        arrow, y = _arrow((x, y + 1), point), y - 8
    else:
        y += 16
    index = f'<tspan class="below" dy="4">{when}</tspan>'
    return (
        f'{arrow}<text class="value" style="text-anchor: {anchor}" {_at((x, y))}>'
        f"{escape(name.removesuffix('_prev'))}{index}</text>"
    )


def _rect(
    kind: str, x: float, y: float, width: float, height: float, round_by: int
) -> str:
    size = f'width="{_number(width)}" height="{_number(height)}" rx="{round_by}"'
    return f'<rect class="{kind}" {_at((x, y))} {size}/>'


def _at(point: tuple[float, float], prefix: str = "") -> str:
    return f'{prefix}x="{_number(point[0])}" {prefix}y="{_number(point[1])}"'


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
