"""The contest of a probe: a task with a known answer, which asks for memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from refrain.compare.contest import Contest, Scored
from refrain.compare.record import Confusion, Entry, Metric
from refrain.study.candidates import Candidate
from refrain.tasks.probes import Probe, find_probe

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
    parts = _Parts(task, length, sequences, seed)
    metric, classes = parts.metric, parts.classes
    solved = task.solved_below(length)
    x, y = parts.test
    return Contest(
        task="probe",
        title=f"{probe}: {task.title}",
        subtitle="sequences that nobody has seen: which answer was given for which",
        about=(
            f"sequences of {task.timesteps(length)} steps",
            f"training {sequences:,}, validation {WATCHED:,}, test {len(x):,}",
        ),
        metrics=(metric,),
        loss=task.loss,
        training=parts.training,
        validation=parts.validation,
        build=parts.build,
        judge=parts.judge,
        baselines=(Entry("none", "no memory", {metric.name: task.baseline(length)}),),
        exhibit=Confusion(tuple(map(str, range(classes)))) if classes else None,
        held_out=(x[-LOOKED_AT:], y[-LOOKED_AT:]),
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


class _Parts:
    """Sequences of a probe in three parts.

    Attributes:
        training, validation, test: sequences and answers.
        metric: the only figure.
        classes: answers that there are, where a sequence has one; 0 elsewhere.
    """

    def __init__(self, probe: Probe, length: int, sequences: int, seed: int):
        random = np.random.default_rng(seed)
        self._probe, self._length = probe, length
        self.training = probe.draw(sequences, length, random, False)
        self.validation = probe.draw(WATCHED, length, random, False)
        self.test = probe.draw(JUDGED, length, random, True)
        self.metric = Metric(probe.metric, "on sequences that nobody has seen")
        self.classes = probe.answers if probe.metric == "error rate" else 0

    def build(self, candidate: Candidate, units: int) -> keras.Model:
        """The probe's own model; see `Probe.build`."""
        return self._probe.build(candidate, units, self._length)

    def judge(self, model: keras.Model) -> Scored:
        """The error on the test part, and confusions of classes."""
        x, y = self.test
        scores = {self.metric.name: self._probe.error(model, x, y)}
        if not self.classes:
            return Scored(scores, ())
        from refrain.study.train import predict

        answers: Any = predict(model, x)
        table = np.zeros((self.classes, self.classes), int)
        np.add.at(table, (y, answers.argmax(-1)), 1)
        return Scored(scores, table.tolist())
