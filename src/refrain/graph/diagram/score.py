"""The records of a diagram's layout: columns, rows, and the lines between them.

A diagram is a score. Values run from left to right along rows; elements stand in
columns; a value leaves its row only inside the column of the element that takes it. A
row that a value runs along holds no element, and a column no more than its own, so no
line can cross a box. Rows lie in bands: what all gates read at the bottom, then the
gates, then rows for what lies between, then the lines of states.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from refrain.graph.diagram.elements import Element

BELOW, SHARED, GATES, BETWEEN, STATES, ABOVE = range(6)  # bands, upwards
Row = tuple[int, int]  # band, and number in it, upwards
LEFT_EDGE, RIGHT_EDGE = -1, -2  # columns outside the cell
PIN_GAP = 12.0  # between lines that end at one side of a box


@dataclass(frozen=True)
class Spot:
    """A point that has no coordinates yet.

    Attributes:
        column: index; the edges of the cell are columns too.
        row: the row.
        dx: distance from the column's centre; "left" and "right" are the edges of the
            element that lies there.
        gutter: number of the gutter, counted from the column to the left.
        side: 0 on the row, -1 at the lower edge of the element there, 1 the upper.
    """

    column: int
    row: Row
    dx: float | str = 0.0
    gutter: int | None = None
    side: int = 0


@dataclass(frozen=True)
class Line:
    """A line of one value; it ends at an element where `arrow` is set."""

    source: Element
    spots: tuple[Spot, ...]
    arrow: Element | None = None


@dataclass(eq=False)
class Trunk:
    """A value on its way to the right along one row."""

    source: Element
    row: Row
    remaining: int
    taps: list[Spot] = field(default_factory=list)


@dataclass
class Column:
    """What lies in a column: elements by row, vertical lines, gutters at its left."""

    elements: dict[Row, Element] = field(default_factory=dict)
    touched: set[Row] = field(default_factory=set)
    spans: list[tuple[Row, Row]] = field(default_factory=list)
    gutters: int = 0

    def is_free(self, low: Row, high: Row) -> bool:
        """Nothing lies between two rows, and no vertical line."""
        crossed = any(a < high and low < b for a, b in self.spans)
        return not crossed and not any(low < row < high for row in self.elements)


@dataclass
class Score:
    """Elements with their columns and rows, and the lines between them."""

    columns: list[Column] = field(default_factory=list)
    spots: dict[Element, tuple[int, Row]] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    trunks: list[Trunk] = field(default_factory=list)
    labels: list[tuple[str, Spot]] = field(default_factory=list)
    held: set[Row] = field(default_factory=set)  # rows that a value runs along

    def new_column(self) -> int:
        """Open a column at the right; its index."""
        self.columns.append(Column())
        return len(self.columns) - 1

    def line(self, source: Element, *spots: Spot, to: Element | None = None) -> None:
        """Draw a line from spot to spot."""
        self.lines.append(Line(source, spots, to))

    def trunk(self, source: Element, row: Row, remaining: int, start: Spot) -> Trunk:
        """Let a value run along a row, from which so many lines will leave."""
        made = Trunk(source, row, remaining, [start])
        self.trunks.append(made)
        self.held.add(row)
        return made

    def use(self, trunk: Trunk) -> None:
        """One line fewer will leave the trunk; its row is free after the last."""
        trunk.remaining -= 1
        if not trunk.remaining:
            self.held.discard(trunk.row)

    def free_row(self, but: Collection[Row] = (), above: Row = (BETWEEN, 0)) -> Row:
        """The lowest row between gates and states that nothing runs along."""
        number = above[1] + 1 if above[0] == BETWEEN else 1
        while (BETWEEN, number) in self.held.union(but):
            number += 1
        return (BETWEEN, number)
