"""Finished runs as files, so that a comparison that was stopped goes on.

Each lies in a file of its own, with a digest of all that it depends on; a file of
another digest, or one that is damaged, is as good as none.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from refrain.compare.contest import Contest
from refrain.compare.record import Cost, Latency, Memory, Run
from refrain.files import plain, write_bytes
from refrain.graph.show import show
from refrain.study.candidates import Candidate
from refrain.study.training import Training

FOLDER = "runs"


def digest(contest: Contest, candidate: Candidate, settings: Mapping[str, Any]) -> str:
    """Differs where a run could end otherwise: data, equations, settings, versions."""
    found = hashlib.sha256()
    cell = candidate.cell
    told = {
        "task": contest.task,
        "loss": contest.loss,
        "facts": contest.facts,
        "equations": show(cell.graph()),
        "weights": [repr(weight) for weight in cell.weights.values()],
        "layer": (candidate.layer, candidate.directions),
        **settings,
    }
    found.update(json.dumps(plain(told), sort_keys=True).encode())
    for array in (*contest.training, *contest.validation):
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()


class Kept:
    """The finished runs in a folder."""

    def __init__(self, folder: Path):
        self._folder = folder / FOLDER

    def path(self, key: str, part: str) -> Path:
        """The file of a run (`seed-0`) or of the costs (`cost`) of a candidate."""
        return self._folder / f"{re.sub(r'[^A-Za-z0-9_-]', '_', key)}-{part}.json"

    def checkpoint(self, key: str, seed: int, settings: str) -> Path:
        """Where a training that is under way keeps how far it is."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self.path(key, f"seed-{seed}")
        return file.with_name(f"{file.stem}-{settings[:12]}.checkpoint")

    def forget(self, key: str, seed: int) -> None:
        """Delete the checkpoints of a run, of other settings and half-written too."""
        stem = self.path(key, f"seed-{seed}").stem
        for pattern in (f"{stem}-*.checkpoint", f".{stem}-*.checkpoint"):
            for old in self._folder.glob(pattern):
                old.unlink(missing_ok=True)

    def find(self, key: str, part: str, settings: str) -> dict[str, Any] | None:
        """What was kept under this digest; None where nothing was."""
        try:
            record = json.loads(self.path(key, part).read_text(encoding="utf-8"))
            same = record.pop("settings") == settings
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            return None
        return record if same else None

    def keep(
        self, key: str, part: str, settings: str, record: Mapping[str, Any]
    ) -> None:
        """Write a record, whole or not at all."""
        self._folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"settings": settings, **record}, allow_nan=False)
        write_bytes(self.path(key, part), text.encode())


def run_of(record: Mapping[str, Any]) -> Run:
    """A run from its plain form.

    Raises:
        LookupError, TypeError: it is none.
    """
    training = dict(record["training"])
    for name in ("loss", "validation_loss"):
        training[name] = tuple(map(_number, training[name]))
    scores = {name: _number(value) for name, value in record["scores"].items()}
    memory = record["memory"] and Memory(**record["memory"])
    changed = {"training": Training(**training), "scores": scores, "memory": memory}
    return Run(**{**record, **changed})


def cost_of(record: Mapping[str, Any]) -> Cost:
    """The costs of a network from their plain form; raises as `run_of`."""
    return Cost(**{**record, "latency": Latency(**record["latency"])})


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
