"""Attempts of a cell at a probe, with fresh sequences until it is solved."""

from __future__ import annotations

import time
from dataclasses import dataclass

import keras
import numpy as np

from refrain.study.candidates import Candidate
from refrain.tasks.probes import Probe

UNSEEN, CHECK_EVERY = 1024, 100  # sequences for the error; updates between two looks


@dataclass(frozen=True)
class Effort:
    """What every cell may use.

    Attributes:
        updates: of Adam, at most; a probe that is solved ends before.
        units: of the cell.
        batch_size: fresh sequences an update.
        learning_rate: of Adam; gradients are clipped to norm 1.
        seed: of weights and sequences.
    """

    updates: int = 2000
    units: int = 64
    batch_size: int = 64
    learning_rate: float = 5e-3
    seed: int = 0


@dataclass(frozen=True)
class Attempt:
    """What a cell made of a probe at one length.

    Attributes:
        probe, cell: their keys.
        length: of the sequences, as the probe counts it.
        seed: of weights and sequences.
        updates: spent, a hundred at a time.
        error: on unseen sequences, in the end.
        baseline: the error of one who remembers nothing.
        solved: the error is below what the probe asks for.
        cpu_s: processor time, compiling included.
    """

    probe: str
    cell: str
    length: int
    seed: int
    updates: int
    error: float
    baseline: float
    solved: bool
    cpu_s: float


def attempt(
    probe: Probe, candidate: Candidate, length: int, effort: Effort | None = None
) -> tuple[Attempt, keras.Model]:
    """Train a cell on a probe until it is solved or the budget is spent.

    Raises:
        DataError: the probe knows no such length.
    """
    effort = effort or Effort()
    probe.check(length)
    start = time.process_time()
    keras.utils.set_random_seed(effort.seed)
    rng = np.random.default_rng(effort.seed)
    unseen = probe.draw(UNSEEN, length, np.random.default_rng((effort.seed, 1)), True)
    model = probe.build(candidate, effort.units, length)
    optimizer = keras.optimizers.Adam(effort.learning_rate, clipnorm=1.0)
    model.compile(optimizer=optimizer, loss=probe.loss)
    updates, error = 0, probe.error(model, *unseen)
    while updates < effort.updates and not error < probe.solved_below(length):
        now = min(CHECK_EVERY, effort.updates - updates)
        drawn = probe.draw(now * effort.batch_size, length, rng, False)
        model.fit(*drawn, batch_size=effort.batch_size, shuffle=False, verbose=0)  # pyright: ignore[reportArgumentType]
        updates += now
        error = probe.error(model, *unseen)
    found = Attempt(
        probe=probe.key,
        cell=candidate.key,
        length=length,
        seed=effort.seed,
        updates=updates,
        error=error,
        baseline=probe.baseline(length),
        solved=error < probe.solved_below(length),
        cpu_s=time.process_time() - start,
    )
    return found, model
