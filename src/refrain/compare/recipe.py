"""A comparison as plain data, from which any process makes the same contest."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from refrain.compare.contest import Contest
from refrain.study.candidates import Candidate, find_candidates
from refrain.study.training import Budget


@dataclass(frozen=True)
class Recipe:
    """What to compare.

    Attributes:
        task: `forecast`, `text` or `probe`.
        options: arguments of the function that makes the contest.
        cells: names of cells, as `find_candidates` reads them.
        seeds: each network is trained so many times, from seed `budget.seed` on.
        units: of each recurrent layer, a direction.
        budget: for each training.
    """

    task: str
    options: Mapping[str, Any]
    cells: tuple[str, ...]
    seeds: int = 1
    units: int = 32
    budget: Budget = field(default_factory=Budget)

    def contest(self) -> Contest:
        """The contest; its own libraries are imported here and for no other."""
        match self.task:
            case "probe":
                from refrain.compare.probes import probe_contest as make
            case "text":
                from refrain.compare.texts import text_contest as make
            case _:
                from refrain.compare.forecasts import forecast_contest as make
        return make(**self.options)

    def candidates(self) -> tuple[Candidate, ...]:
        """The networks."""
        return find_candidates(",".join(self.cells))

    def each_seed(self) -> range:
        """The seeds of a network."""
        return range(self.budget.seed, self.budget.seed + self.seeds)

    def to_json(self) -> str:
        """In one line, for another process."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> Recipe:
        """What `to_json` wrote."""
        given = json.loads(text)
        budget, cells = Budget(**given.pop("budget")), tuple(given.pop("cells"))
        return Recipe(**given, budget=budget, cells=cells)
