"""Places the elements of a diagram in columns and rows, and leads lines to them.

Elements come one by one, operands first. Each opens a column, or joins the column of an
operand that was placed just before it, which `score.py` says how to read.
"""

from __future__ import annotations

import itertools
from collections import Counter

from refrain.graph.diagram.elements import Element, Elements
from refrain.graph.diagram.order import in_order, lines_of
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
    Row,
    Score,
    Spot,
    Trunk,
)
from refrain.graph.graph import OUTPUT


def place(elements: Elements) -> Score:
    """Place all elements of a cell, and lead what enters and leaves to its edges."""
    placer = _Placer(elements)
    placer.enter()
    for element in placer.order:
        placer.add(element)
    placer.leave()
    return placer.score


class _Placer:
    def __init__(self, elements: Elements):
        self.elements = elements
        self.score = Score()
        self.paths = lines_of(elements)
        self.order = in_order(elements, self.paths)
        states = [n for n in elements.results if n != OUTPUT]
        self.row_of_state = {
            state: (STATES if state in self.paths else SHARED, len(states) - k)
            for k, state in enumerate(states)
        }
        self.row_of: dict[Element, Row] = {}  # on a state's line
        self.next: dict[Element, Element] = {}
        for state, path in self.paths.items():
            self.row_of |= dict.fromkeys(path, self.row_of_state[state])
            self.next |= dict(itertools.pairwise(path))
        self.users = Counter(o for e in self.order for o in e.operands)
        self.users.update(set(elements.results.values()))
        self.main: dict[Element, Trunk] = {}  # along a state's line
        self.side: dict[Element, Trunk] = {}  # to everything else
        self.last: Element | None = None

    # -- what enters ---------------------------------------------------------

    def enter(self) -> None:
        """States from the left, each on its row; the input from below."""
        for name, row in self.row_of_state.items():
            start = Spot(LEFT_EDGE, row)
            source = self.elements.sources[f"{name}_prev"]
            self.score.labels.append((source.symbol, start))
            users = self.users[source]
            if row[0] == SHARED:
                self.side[source] = self.score.trunk(source, row, users, start)
                continue
            self.main[source] = self.score.trunk(source, row, 1, start)
            if users > 1:
                self.branch(self.main[source], (SHARED, row[1]), users - 1)
        if not self.score.columns:
            self.score.new_column()
        x = self.elements.sources["x"]
        below, row = Spot(0, (BELOW, 0)), (SHARED, 0)
        self.side[x] = self.score.trunk(x, row, self.users[x], Spot(0, row))
        self.score.line(x, below, Spot(0, row))
        self.score.labels.append(("x", below))

    def branch(self, trunk: Trunk, row: Row, remaining: int) -> None:
        """Lead a value from its row to another one, in a column of its own."""
        column = self.score.new_column()
        start, end = Spot(column, trunk.row), Spot(column, row)
        trunk.taps.append(start)
        self.score.line(trunk.source, start, end)
        self.side[trunk.source] = self.score.trunk(trunk.source, row, remaining, end)
        self.last = None

    # -- elements ------------------------------------------------------------

    def add(self, element: Element) -> None:
        """Place one element and lead its operands to it."""
        if not self.stack(element):
            self.settle()
            column = self.score.new_column()
            self.put(element, column, self.choose_row(element))
            left = self.operand_on(element)
            self.join(element, left, [o for o in element.operands if o is not left])

    def choose_row(self, element: Element) -> Row:
        """Its state's line; the gates; a row that an operand ends on; a free one."""
        if element in self.row_of:
            return self.row_of[element]
        trunks = [self.trunk_to(o, element) for o in element.operands]
        if element.kind == "gate" and all(t.row[0] == SHARED for t in trunks):
            return (GATES, 0)
        ending = [t.row for t in trunks if t.remaining == 1 and t.row[0] == BETWEEN]
        return ending[0] if ending else self.score.free_row()

    def operand_on(self, element: Element) -> Element | None:
        """The operand that comes along the element's own row."""
        row = self.score.spots[element][1]
        for operand in element.operands:
            if self.trunk_to(operand, element).row == row:
                return operand
        return None

    def stack(self, element: Element) -> bool:
        """Place arithmetic in the column of an operand that was placed just before."""
        under = self.last
        if under is None or element.kind != "circle" or under not in element.operands:
            return False
        column, start = self.score.spots[under]
        others = [o for o in element.operands if o is not under]
        if not others or self.next.get(under) is element:
            return False
        there = self.score.columns[column]
        if others[0] in there.elements.values():
            return False  # it leaves to the right
        trunk = self.trunk_to(others[0], element)
        row = self.row_of.get(element)
        ends = row == trunk.row
        if row is None and trunk.remaining == 1 and trunk.row[0] == BETWEEN:
            row, ends = trunk.row, True
        if row is None:
            row = self.score.free_row(there.touched, above=start)
        low, high = sorted((start, row))
        if row in there.touched or not there.is_free(low, high):
            return False
        own = self.side.get(under) or self.main.get(under)
        if own and start[0] == GATES and own.row >= row:
            return False
        self.put(element, column, row)
        up = 1 if row > start else -1
        there.spans.append((low, high))
        self.score.line(
            under, Spot(column, start, side=up), Spot(column, row, side=-up), to=element
        )
        if own:
            self.score.use(own)
        left, rest = (others[0], []) if ends else (None, others)
        self.join(element, left, rest, gutter=not ends)
        return True

    def put(self, element: Element, column: int, row: Row) -> None:
        there = self.score.columns[column]
        there.elements[row] = element
        there.touched.add(row)
        self.score.spots[element] = (column, row)
        self.last = element

    def join(
        self, element: Element, left: Element | None, rest: list[Element], gutter=False
    ) -> None:
        """Lead operands to a placed element, then start its own way to the right."""
        column, row = self.score.spots[element]
        if left is not None:
            trunk = self.trunk_to(left, element)
            end = Spot(column, row, "left")
            trunk.taps.append(end)
            self.score.line(left, end, end, to=element)
            self.score.use(trunk)
        trunks = {o: self.trunk_to(o, element) for o in rest}
        above = [o for o in rest if trunks[o].row > row]
        below = [o for o in rest if o not in above]
        if gutter or (element.kind == "circle" and 2 in (len(above), len(below))):
            self.through_gutter(element, trunks[rest[0]])
            above, below = (
                [o for o in side if o is not rest[0]] for side in (above, below)
            )
        for side, pins in ((-1, below), (1, above)):
            for k, operand in enumerate(pins):
                dx = PIN_GAP * (k - (len(pins) - 1) / 2)
                self.go_straight(element, trunks[operand], dx, side)
        for operand in rest:
            self.score.columns[column].touched.add(trunks[operand].row)
            self.score.use(trunks[operand])
        self.start(element)

    def go_straight(self, element: Element, trunk: Trunk, dx: float, side: int) -> None:
        """Lead a value from its row straight to an element."""
        column, row = self.score.spots[element]
        start, end = Spot(column, trunk.row, dx), Spot(column, row, dx, side=side)
        trunk.taps.append(start)
        self.score.line(trunk.source, start, end, to=element)
        span = (min(trunk.row, row), max(trunk.row, row))
        self.score.columns[column].spans.append(span)

    def through_gutter(self, element: Element, trunk: Trunk) -> None:
        """Lead a value up or down at the left of the column, then to the right."""
        column, row = self.score.spots[element]
        there = self.score.columns[column]
        gutter, there.gutters = there.gutters, there.gutters + 1
        start = Spot(column, trunk.row, gutter=gutter)
        trunk.taps.append(start)
        turn, end = Spot(column, row, gutter=gutter), Spot(column, row, "left")
        self.score.line(trunk.source, start, turn, end, to=element)

    def start(self, element: Element) -> None:
        """Open the rows on which a new value runs."""
        column, row = self.score.spots[element]
        right = Spot(column, row, "right")
        if element in self.row_of:
            following = element in self.next
            count = 1 if following else self.users[element]
            main = self.score.trunk(element, row, count, right)
            self.main[element] = main
            if following and self.users[element] > 1:
                self.branch(main, self.score.free_row(), self.users[element] - 1)
        elif row[0] == BETWEEN:
            self.side[element] = self.score.trunk(
                element, row, self.users[element], right
            )
        elif self.users[element] > 1:
            self.rise(element)

    def rise(self, element: Element) -> None:
        """Lead a gate's value up to a row that is free."""
        column, row = self.score.spots[element]
        there = self.score.columns[column]
        target = self.score.free_row(there.touched)
        self.score.line(element, Spot(column, row, side=1), Spot(column, target))
        there.spans.append((row, target))
        there.touched.add(target)
        count = self.users[element]
        self.side[element] = self.score.trunk(
            element, target, count, Spot(column, target)
        )

    def settle(self) -> None:
        """Give a row to the last gate, whose value nothing took in its column."""
        last = self.last
        if last and last not in self.main and last not in self.side:
            self.rise(last)

    def trunk_to(self, operand: Element, element: Element | None) -> Trunk:
        """The row along which an element gets an operand."""
        if operand not in self.main or (
            operand in self.side and self.next.get(operand) is not element
        ):
            return self.side[operand]
        return self.main[operand]

    # -- what leaves ---------------------------------------------------------

    def leave(self) -> None:
        """New states to the right, each on the row of its old value; the output up."""
        self.settle()
        results = self.elements.results
        for source in self.elements.sources.values():
            # Its row becomes that of the new value, which another column may reach.
            if source in results.values() and source not in self.main:
                self.branch(self.side[source], self.score.free_row(), 1)
        for element in dict.fromkeys(results.values()):
            names = [n for n, e in results.items() if e is element and n != OUTPUT]
            rows = []
            for state in names:
                row = self.row_of_state[state]
                end = Spot(RIGHT_EDGE, row)
                self.score.labels.append((state, end))
                if state in self.paths:
                    self.main[element].taps.append(end)
                else:
                    rows.append(row)
            name = names[0] if names else OUTPUT
            self.lead_out(element, rows, name if results[OUTPUT] is element else "")

    def lead_out(self, element: Element, rows: list[Row], output: str) -> None:
        if not rows and not output:
            return
        column = self.score.new_column()
        trunk = self.trunk_to(element, None)
        start = Spot(column, trunk.row)
        trunk.taps.append(start)
        for row in rows:
            turn, end = Spot(column, row), Spot(RIGHT_EDGE, row)
            self.score.line(element, start, turn, end)
        if output:
            top = Spot(column, (ABOVE, 0))
            self.score.line(element, start, top)
            self.score.labels.append((output, top))
