"""One training of one candidate, from one seed, and how it did."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from refrain.compare.contest import Contest
from refrain.compare.memory import memory_of
from refrain.compare.record import Run
from refrain.study.batches import Arrays
from refrain.study.candidates import Candidate
from refrain.study.train import Progress, train
from refrain.study.training import Budget


def run(
    contest: Contest,
    candidate: Candidate,
    units: int,
    budget: Budget,
    report: Callable[[Progress], None] = lambda _: None,
    checkpoint: Path | None = None,
    deep: bool = False,
) -> Run:
    """Train a candidate and judge it on the part that nobody has seen.

    Args:
        contest: data, model and judgement.
        candidate: the network.
        units: of its recurrent layer, a direction.
        budget: with the seed.
        report: called before the first epoch and after each.
        checkpoint: a file from which a training that was cut off goes on; the caller
            deletes it.
        deep: also measure how far back the network remembers.

    Raises:
        RefrainError: training diverged, or the backend cannot train.
    """
    (x, y), (validation_x, validation_y) = contest.training, contest.validation
    model, training = train(
        lambda: contest.build(candidate, units),
        Arrays(
            x,
            y,
            validation_x,
            validation_y,
            lengths=contest.lengths and contest.lengths[0],
            validation_lengths=contest.lengths and contest.lengths[1],
        ),
        budget,
        report,
        loss=contest.keras_loss(),
        checkpoint=checkpoint,
    )
    judged = contest.judge(model)
    looks = memory_of(contest, model) if deep else None
    steps = contest.lengths[0].sum() if contest.lengths else x.shape[0] * x.shape[1]
    return Run(
        seed=budget.seed,
        scores=dict(judged.scores),
        training=training,
        steps_a_second=float(steps / training.epoch_s) if training.epoch_s else None,
        shown=judged.shown,
        memory=looks,
    )
