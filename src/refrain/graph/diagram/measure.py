"""From columns and rows to coordinates in pixels: boxes, lines, dots and labels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from refrain.graph.diagram.elements import Element
from refrain.graph.diagram.score import (
    ABOVE,
    BELOW,
    BETWEEN,
    GATES,
    LEFT_EDGE,
    PIN_GAP,
    RIGHT_EDGE,
    SHARED,
    STATES,
    Column,
    Row,
    Score,
    Spot,
)

Point = tuple[float, float]
GATE_HEIGHT, BOX_HEIGHT, RADIUS = 40.0, 26.0, 13.0
COLUMN_GAP, GUTTER = 20.0, 10.0
# From a row to the one below it, by band.
PITCH = {BELOW: 0, SHARED: 22, GATES: 44, BETWEEN: 46, STATES: 46, ABOVE: 56}
OUTSIDE = 24.0  # of the cell, on each side
UNDER = 46.0  # the cell: a line of 20, a name, and the index that hangs below it


@dataclass(frozen=True)
class Box:
    """An element at its place; x and y are the centre."""

    element: Element
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Wire:
    """A line of one value, with an arrow at the element where it ends, if it does."""

    source: Element
    points: tuple[Point, ...]
    target: Element | None = None


@dataclass
class Drawing:
    """All that a diagram shows, in pixels from the upper left corner."""

    width: float
    height: float
    frame: tuple[float, float, float, float]  # the cell: left, top, right, bottom
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    dots: list[Point] = field(default_factory=list)
    labels: list[tuple[str, Point]] = field(default_factory=list)


def text_width(text: str, size: float) -> float:
    """About how wide a text is: browsers' fonts differ."""
    return 0.62 * size * len(text)


def size_of(element: Element) -> tuple[float, float]:
    """Width and height of what an element is drawn as."""
    if element.kind == "circle":
        return 2 * RADIUS, 2 * RADIUS
    text = max(text_width(element.symbol, 15), text_width(element.name, 12))
    height = GATE_HEIGHT if element.kind == "gate" else BOX_HEIGHT
    pins = PIN_GAP * (len(element.operands) + 1)
    return max(40.0, text + 14, pins), height


def measure(placed: Score) -> Drawing:
    """Give everything that was placed its coordinates."""
    return _Ruler(placed).drawing()


class _Ruler:
    def __init__(self, placed: Score):
        self.placed = placed
        self.half = [self.half_width(c) for c in placed.columns]
        self.centres: list[float] = []
        names = [name.removesuffix("_prev") for name, _ in placed.labels]
        # A line of 14, and a name with its index beside it.
        self.margin = 14 + 6 + max(text_width(name, 17) + 34 for name in names)
        x = self.margin + OUTSIDE
        for column, half in zip(placed.columns, self.half, strict=True):
            x += column.gutters * GUTTER + half
            self.centres.append(x)
            x += half + COLUMN_GAP
        self.right = x - COLUMN_GAP + OUTSIDE
        self.heights = self.rows()

    @staticmethod
    def half_width(column: Column) -> float:
        widths = [size_of(e)[0] for e in column.elements.values()]
        return max(widths, default=8.0) / 2

    def rows(self) -> dict[Row, float]:
        """The height of each row, downwards from the top of the picture."""
        used = {row for _, row in self.placed.spots.values()}
        used |= {trunk.row for trunk in self.placed.trunks}
        used |= {spot.row for line in self.placed.lines for spot in line.spots}
        used -= {(ABOVE, 0), (BELOW, 0)}
        heights: dict[Row, float] = {}
        y, band = 30.0 + 34.0, ABOVE
        for row in sorted(used, reverse=True):
            if heights:
                y += max(PITCH[band], PITCH[row[0]]) if band != row[0] else PITCH[band]
            heights[row], band = y, row[0]
        self.bottom = y + 24.0
        return heights | {(ABOVE, 0): 24.0, (BELOW, 0): self.bottom + 20.0}

    def point(self, spot: Spot) -> Point:
        y = self.heights[spot.row]
        if spot.column == LEFT_EDGE:
            return self.margin - 14, y
        if spot.column == RIGHT_EDGE:
            return self.right + 14, y
        x = self.centres[spot.column]
        element = self.placed.columns[spot.column].elements.get(spot.row)
        width, height = size_of(element) if element else (0.0, 0.0)
        if spot.gutter is not None:
            gap = self.half[spot.column] + GUTTER * (spot.gutter + 1)
            return x - gap, y
        if isinstance(spot.dx, str):
            return x + (width / 2 if spot.dx == "right" else -width / 2), y
        return x + spot.dx, y - spot.side * height / 2

    def drawing(self) -> Drawing:
        frame = (self.margin, 38.0, self.right, self.bottom)
        drawn = Drawing(self.right + self.margin, self.bottom + UNDER, frame)
        for element, (column, row) in self.placed.spots.items():
            x, y = self.centres[column], self.heights[row]
            drawn.boxes.append(Box(element, x, y, *size_of(element)))
        for trunk in self.placed.trunks:
            points = sorted(map(self.point, trunk.taps))
            drawn.wires.append(Wire(trunk.source, (points[0], points[-1])))
        for line in self.placed.lines:
            points = tuple(map(self.point, line.spots))
            drawn.wires.append(Wire(line.source, points, line.arrow))
        drawn.labels = [(name, self.point(spot)) for name, spot in self.placed.labels]
        drawn.dots = _forks(drawn.wires)
        return drawn


def _forks(wires: list[Wire]) -> list[Point]:
    """Where one value goes on in two directions or more."""
    segments: dict[Element, list[tuple[Point, Point]]] = defaultdict(list)
    for wire in wires:
        pairs = zip(wire.points, wire.points[1:], strict=False)
        segments[wire.source] += [pair for pair in pairs if pair[0] != pair[1]]
    found: dict[Point, None] = {}
    for parts in segments.values():
        for point in dict.fromkeys(p for part in parts for p in part):
            ways = {way for part in parts for way in _ways(point, *part)}
            if len(ways) > 2:
                found.setdefault(point)
    return list(found)


def _ways(point: Point, start: Point, end: Point) -> set[tuple[int, int]]:
    """In which directions a segment leaves a point that lies on it."""
    (x, y), (a, b), (c, d) = point, min(start, end), max(start, end)
    if a == c == x and b <= y <= d:
        return {(0, s) for s, there in ((-1, y > b), (1, y < d)) if there}
    if b == d == y and a <= x <= c:
        return {(s, 0) for s, there in ((-1, x > a), (1, x < c)) if there}
    return set()
