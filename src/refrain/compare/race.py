"""The race: every candidate from every seed, beside each other, finished runs kept.

Trainings run in processes of their own, so that a crash costs one run. What a network
costs is measured at the end, when nothing else runs.
"""

from __future__ import annotations

import dataclasses
import math
import queue
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from refrain.compare.contest import LOSSES, Contest
from refrain.compare.kept import Kept, cost_of, digest, run_of
from refrain.compare.processes import Worker, WorkerError, fitting_jobs
from refrain.compare.recipe import Recipe
from refrain.compare.record import Comparison, Cost, Entry, Run
from refrain.errors import RefrainError
from refrain.study.candidates import Candidate
from refrain.study.versions import versions


@dataclass(frozen=True)
class Moment:
    """Where a run stands.

    Attributes:
        key: of the candidate.
        seed: None for the measurement of its costs.
        epoch: done; 0 before the first.
        loss, best: validation losses, the last and the lowest; NaN while unknown.
        state: "running", "kept" from an earlier call, "done", or why it failed.
    """

    key: str
    seed: int | None
    epoch: int = 0
    loss: float = math.nan
    best: float = math.nan
    state: str = "running"


Report = Callable[[Moment], None]
STOPPED = {"fault": "stopped"}  # by the user: its checkpoint stays


class Race:
    """The runs of a comparison, and what has been found of them.

    Args:
        recipe: what to compare.
        folder: where finished runs are kept, and looked for.
        report: called whenever a run gets on.
    """

    def __init__(self, recipe: Recipe, folder: Path, report: Report = lambda _: None):
        self.recipe = recipe
        self.contest: Contest = recipe.contest()
        self.candidates = recipe.candidates()
        self.versions = versions(*self.contest.packages)
        self._kept = Kept(folder)
        self._report = report
        self._digests = {c.key: self._digest(c) for c in self.candidates}
        self._found: dict[tuple[str, int | None], Run | Cost | str] = {}

    def _digest(self, candidate: Candidate) -> str:
        settings = {
            "units": self.recipe.units,
            "budget": dataclasses.asdict(self.recipe.budget),
            "versions": self.versions,
        }
        settings["budget"].pop("seed")  # each run has its own, and tells it
        return digest(self.contest, candidate, settings)

    def go(
        self, jobs: int | None = None, costs: bool = True
    ) -> Mapping[tuple[str, int | None], Any]:
        """Run all that is not kept.

        Args:
            jobs: processes beside each other; None for as many as fit the machine.
            costs: also measure what the networks cost.

        Returns:
            Runs, costs and faults by key and seed.
        """
        keys = [c.key for c in self.candidates]
        runs = [(key, seed) for seed in self.recipe.each_seed() for key in keys]
        todo = [task for task in runs if not self._was_kept(*task)]
        measured = keys if costs else []
        unmeasured = [(key, None) for key in measured if not self._was_kept(key, None)]
        jobs = min(jobs or fitting_jobs(len(todo)), max(1, len(todo)))
        lanes = [_Lane(self.recipe, jobs, number) for number in range(jobs)]
        waiting: queue.SimpleQueue = queue.SimpleQueue()
        for task in todo:
            waiting.put(task)
        try:
            with ThreadPoolExecutor(jobs) as pool:
                try:
                    for done in [pool.submit(self._drain, waiting, x) for x in lanes]:
                        done.result()
                except BaseException:
                    for lane in lanes:
                        lane.stop()
                    raise
            for lane in lanes[1:]:
                lane.stop()
            for key, seed in unmeasured:
                self._settle(lanes[0], key, seed)
        finally:
            for lane in lanes:
                lane.stop()
        return self._found

    def _drain(self, waiting: queue.SimpleQueue, lane: _Lane) -> None:
        while not lane.stopped:
            try:
                key, seed = waiting.get_nowait()
            except queue.Empty:
                return
            self._settle(lane, key, seed)

    def _settle(self, lane: _Lane, key: str, seed: int | None) -> None:
        """Run one task, keep what it finds, and tell."""
        self._report(Moment(key, seed))
        task: dict[str, Any] = {"key": key, "seed": seed}
        if seed is not None:
            place = self._kept.checkpoint(key, seed, self._digests[key])
            task["checkpoint"] = str(place)
        answer = lane.ask(task, lambda told: self._report(_moment(key, seed, told)))
        if answer == STOPPED:
            return
        if seed is not None:
            self._kept.forget(key, seed)
        if "fault" in answer:
            self._found[key, seed] = answer["fault"]
            self._report(Moment(key, seed, state=answer["fault"]))
            return
        self._found[key, seed] = _record(seed, answer["found"])
        self._kept.keep(key, _part(seed), self._digests[key], answer["found"])
        self._report(Moment(key, seed, state="done"))

    def _was_kept(self, key: str, seed: int | None) -> bool:
        found = self._kept.find(key, _part(seed), self._digests[key])
        try:
            if found is None:
                return False
            self._found[key, seed] = _record(seed, found)
        except (LookupError, TypeError, ValueError):
            return False  # damaged: it is run again
        self._report(Moment(key, seed, state="kept"))
        return True

    def comparison(self, command: str = "") -> Comparison:
        """What was found, as a record.

        Raises:
            RefrainError: every run failed; the message is the first one's.
        """
        contest = self.contest
        entries = [self._entry(c) for c in self.candidates]
        if not any(entry.runs for entry in entries):
            raise RefrainError(f"no network could be trained; {entries[0].faults[0]}")
        budget = dataclasses.asdict(self.recipe.budget)
        return Comparison(
            task=contest.task,
            title=contest.title,
            about=contest.about,
            subtitle=contest.subtitle,
            metrics=contest.metrics,
            loss=LOSSES[contest.loss],
            facts={
                **contest.facts,
                "units": self.recipe.units,
                "seeds": list(self.recipe.each_seed()),
                "budget": budget,
            },
            notes=contest.notes,
            entries=(*contest.baselines, *entries),
            exhibit=contest.exhibit,
            versions=self.versions,
            command=command,
        )

    def _entry(self, candidate: Candidate) -> Entry:
        key, found = candidate.key, self._found
        runs = [found[key, seed] for seed in self.recipe.each_seed()]
        cost = found.get((key, None))
        faults = [
            f"seed {seed}: {fault}"
            for seed, fault in zip(self.recipe.each_seed(), runs, strict=True)
            if isinstance(fault, str)
        ]
        faults += [f"costs: {cost}"] if isinstance(cost, str) else []
        return Entry(
            key,
            candidate.name,
            runs=tuple(run for run in runs if isinstance(run, Run)),
            network=cost if isinstance(cost, Cost) else None,
            faults=tuple(faults),
        )


class _Lane:
    """One worker after the other: a new one where the last one died."""

    def __init__(self, recipe: Recipe, jobs: int, number: int):
        self._settings = (recipe, jobs, number)
        self._worker: Worker | None = None
        self.stopped = False

    def ask(self, task: dict[str, Any], report: Callable) -> dict[str, Any]:
        if self.stopped:
            return STOPPED
        try:
            self._worker = self._worker or Worker(*self._settings)
            return self._worker.ask(task, report)
        except WorkerError as death:
            if self.stopped:
                return STOPPED
            if self._worker:
                self._worker.close()
            self._worker = None
            return {"fault": str(death)}

    def stop(self) -> None:
        self.stopped = True
        if self._worker:
            self._worker.close()


def _part(seed: int | None) -> str:
    return "cost" if seed is None else f"seed-{seed}"


def _record(seed: int | None, found: Mapping[str, Any]) -> Run | Cost:
    return cost_of(found) if seed is None else run_of(found)


def _moment(key: str, seed: int | None, told: Mapping[str, Any]) -> Moment:
    known: dict[str, Any] = {k: math.nan if v is None else v for k, v in told.items()}
    return Moment(key, seed, **known)
