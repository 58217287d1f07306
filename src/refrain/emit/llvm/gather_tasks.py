"""How weight gradients are shared out: in tasks, each some columns of one of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from refrain.emit.llvm.vectors import Target
from refrain.plan.program import (
    Gathering,
    Part,
    WeightProduct,
    WeightRows,
    WeightSum,
)

VECTORS = 4
Added = WeightSum | WeightRows
Work = WeightProduct | Added


@dataclass(frozen=True)
class GatherTask:
    """Some columns of one weight's gradient.

    Attributes:
        work: the gradient, its places moved to the first of the columns.
        columns: how many.
        more: further products for the same weight, which the equations use more than
            once; their right places are relative to that of `work`.
        beside: what else is added up of the same right place, such as a bias; their
            parts are relative to that of `work`.
    """

    work: Work
    columns: int
    more: tuple[WeightProduct, ...] = ()
    beside: tuple[Added, ...] = ()

    @property
    def alike(self) -> GatherTask:
        """The same for all tasks that differ only in where right and result begin."""
        right = replace(self.work.right, offset=0, width=self.columns)
        part = replace(self.work.part, offset=0)
        return replace(self, work=replace(self.work, right=right, part=part))


def gather_tasks(gathering: Gathering, target: Target) -> list[GatherTask]:
    """The tasks that threads share out, in the order of their numbers.

    Tasks of all gradients come in turn, so that any range of them is a fair share; of
    those that read the same columns, the one with most work comes first.
    """
    by_weight: dict[Part, list[WeightProduct]] = {}
    for product in gathering.products:
        by_weight.setdefault(product.part, []).append(product)
    added: list[Added] = [*gathering.sums, *gathering.rows]
    whole: list[GatherTask] = []
    for work, *more in by_weight.values():
        beside = [a for a in added if a.right == work.right and a.part.shape]
        added = [a for a in added if a not in beside]
        found = _relative(work, more), tuple(_beside(work, a) for a in beside)
        whole.append(GatherTask(work, work.right.width, *found))
    whole += [GatherTask(work, work.right.width) for work in added]
    placed: list[tuple[float, int, GatherTask]] = []
    for task in whole:
        parts, work = _parts_of(task, VECTORS * target.width), task.work
        rows = work.left.width if isinstance(work, WeightProduct) else 0
        placed += [((k + 0.5) / len(parts), -rows, p) for k, p in enumerate(parts)]
    return [task for _, _, task in sorted(placed, key=lambda found: found[:2])]


def _parts_of(task: GatherTask, block: int) -> list[GatherTask]:
    """A task in parts of so many columns; all columns belong to a trained number."""
    work = task.work
    if not work.part.shape:
        return [task]
    parts = []
    for first in range(0, task.columns, block):
        right = replace(work.right, offset=work.right.offset + first)
        part = replace(work.part, offset=work.part.offset + first)
        some = replace(work, right=right, part=part)
        columns = min(block, task.columns - first)
        parts.append(replace(task, work=some, columns=columns))
    return parts


def _relative(
    first: WeightProduct, more: list[WeightProduct]
) -> tuple[WeightProduct, ...]:
    start = first.right.offset
    return tuple(
        replace(m, right=replace(m.right, offset=m.right.offset - start)) for m in more
    )


def _beside(first: WeightProduct, added: Added) -> Added:
    part = replace(added.part, offset=added.part.offset - first.part.offset)
    return replace(added, right=replace(added.right, offset=0), part=part)
