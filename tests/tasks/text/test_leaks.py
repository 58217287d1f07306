"""Nothing that a classifier keeps owes anything to the texts held out."""

import dataclasses

import numpy as np
import pytest

from refrain.tasks.text.job import train_classifier
from refrain.tasks.text.options import TextJob
from refrain.tasks.text.reading import Texts
from refrain.tasks.text.split import split
from tests.tasks.text.reviews import reviews

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

JOB = TextJob(
    cell="gru", units=3, embedding=4, epochs=2, min_count=1, held_out=0.2, batch_size=32
)


def held_out(labels, job) -> np.ndarray:
    return split(np.unique(labels, return_inverse=True)[1], job.held_out, job.seed)[1]


def kept(outcome) -> tuple:
    """Words, and the numbers by which it labels texts."""
    made = outcome.classifier
    weights = [weight.tobytes() for weight in made.network_.get_weights()]
    return made.vocabulary_.words(), weights, made.temperature_, made.training_.loss


def other_texts_change_what_is_kept(job, leak: bool) -> bool:
    """Whether the classifier is another once the texts held out are others.

    With `leak` they are among those that it learns from, as they must not be.
    """
    texts, labels = reviews(80)
    changed = list(texts)
    for k in held_out(labels, job):
        changed[k] = f"unheard of {k}"
    if leak:
        job = dataclasses.replace(job, held_out=0.1)
    one, two = (
        kept(train_classifier(Texts(t, labels, "text", "label"), job))
        for t in (texts, changed)
    )
    return one != two


def test_texts_held_out_change_nothing_that_is_kept():
    assert not other_texts_change_what_is_kept(JOB, leak=False)


def test_a_planted_leak_is_seen():
    assert other_texts_change_what_is_kept(JOB, leak=True)
