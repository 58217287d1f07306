"""In which order a diagram shows its elements, and which of them lie on a state's line.

A state's line is a path of functions and arithmetic from its previous value to its
new one: c · f + i · g leads from c to c. Such a line is drawn straight across the cell.
"""

from __future__ import annotations

from itertools import pairwise

from refrain.graph.diagram.elements import Element, Elements
from refrain.graph.graph import OUTPUT


def lines_of(elements: Elements) -> dict[str, list[Element]]:
    """For each state that has a line: its source, then what lies on it, in order."""
    found: dict[str, list[Element]] = {}
    taken: set[Element] = set()
    for state in (n for n in elements.results if n != OUTPUT):
        source = elements.sources[f"{state}_prev"]
        path = _path(elements.results[state], source, taken)
        if path and len(path) > 1:
            found[state] = path
            taken |= set(path)
    return found


def _path(
    result: Element, source: Element, taken: set[Element]
) -> list[Element] | None:
    """The shortest way from a state's old value to its new one, if there is one."""
    found: dict[Element, list[Element] | None] = {source: [source]}

    def path(element: Element) -> list[Element] | None:
        if element not in found:
            found[element] = None
            if element not in taken and element.kind not in ("source", "gate"):
                paths = [p for p in map(path, element.operands) if p]
                if paths:
                    found[element] = [*min(paths, key=len), element]
        return found[element]

    return path(result)


def in_order(elements: Elements, lines: dict[str, list[Element]]) -> list[Element]:
    """All elements, operands first; a state's line before what joins it.

    A function of one value comes as late as it can, next to what uses it.
    """
    before = {b: a for line in lines.values() for a, b in pairwise(line)}
    depth: dict[Element, int] = {}
    found: dict[Element, None] = {}

    def deep(element: Element) -> int:
        if element not in depth:
            depth[element] = 1 + max(map(deep, element.operands), default=-1)
        return depth[element]

    def visit(element: Element) -> None:
        if element in found or element.kind == "source":
            return
        if element in before:
            visit(before[element])
        late = [o for o in element.operands if _is_late(o) and o not in before]
        first = [o for o in element.operands if o not in late]
        first += [i for o in late for i in o.operands]
        for operand in sorted(first, key=deep, reverse=True):
            visit(operand)
        for operand in late:
            visit(operand)
        found.setdefault(element)

    for name in sorted(elements.results, key=lambda n: n not in lines):
        visit(elements.results[name])
    return list(found)


def _is_late(element: Element) -> bool:
    return element.kind in ("function", "circle") and len(element.operands) == 1
