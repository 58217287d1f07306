"""The contest of a probe: a task with a known answer, which asks for memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from refrain.compare.contest import Contest, Scored
from refrain.compare.record import Confusion, Entry, Metric
from refrain.tasks.probes import find_probe

if TYPE_CHECKING:
    import keras

SEQUENCES, WATCHED, JUDGED, LOOKED_AT = 4000, 500, 1000, 8


def probe_contest(
    probe: str, length: int | None = None, sequences: int = SEQUENCES, seed: int = 0
) -> Contest:
    """A probe at one length.

    Args:
        probe: key of `tasks.probes.PROBES`.
        length: as the probe counts it; None for the third of those it is known for.
        sequences: to learn from.
        seed: of the sequences, the same for every network.

    Raises:
        DataError: there is no such probe, or none of this length.
    """
    task = find_probe(probe)
    length = length or task.lengths[2]
    task.check(length)
    random = np.random.default_rng(seed)
    x, y = task.draw(sequences, length, random, False)
    watched = task.draw(WATCHED, length, random, False)
    test_x, test_y = task.draw(JUDGED, length, random, True)
    metric = Metric(task.metric, "on sequences that nobody has seen")
    classes = task.answers if task.metric == "error rate" else 0
    solved = task.solved_below(length)

    def judge(model: keras.Model) -> Scored:
        error = task.error(model, test_x, test_y)
        if not classes:
            return Scored({metric.name: error}, ())
        from refrain.study.train import predict

        answers: Any = predict(model, test_x)
        table = np.zeros((classes, classes), int)
        np.add.at(table, (test_y, answers.argmax(-1)), 1)
        return Scored({metric.name: error}, table.tolist())

    return Contest(
        task="probe",
        title=f"{probe}: {task.title}",
        subtitle="sequences that nobody has seen: which answer was given for which",
        about=(
            f"sequences of {task.timesteps(length)} steps",
            f"training {sequences:,}, validation {WATCHED:,}, test {len(test_x):,}",
        ),
        metrics=(metric,),
        loss=task.loss,
        training=(x, y),
        validation=watched,
        build=lambda candidate, units: task.build(candidate, units, length),
        judge=judge,
        baselines=(Entry("none", "no memory", {metric.name: task.baseline(length)}),),
        exhibit=Confusion(tuple(map(str, range(classes)))) if classes else None,
        held_out=(test_x[-LOOKED_AT:], test_y[-LOOKED_AT:]),
        facts={
            "probe": probe,
            "length": length,
            "sequences": sequences,
            "sequences_seed": seed,
            "solved_below": solved,
        },
        notes=(f"solved: {metric.name} below {solved:.3g}",),
        packages=("numpy", "scikit-learn") if classes else ("numpy",),
    )
