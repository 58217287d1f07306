"""Whether a job is trained, which it has to be before it is used."""

from __future__ import annotations

from typing import Any

from sklearn.exceptions import NotFittedError

from refrain.errors import RefrainError


class NotTrainedError(RefrainError, NotFittedError):
    """A job is used before it is trained.

    Here and not with the other errors, which need no scikit-learn.
    """


def check_trained(job: Any) -> None:
    """Refuse a job that has no network yet.

    Raises:
        NotTrainedError: `fit` was not called.
    """
    if not hasattr(job, "network_"):
        raise NotTrainedError(
            f"this {type(job).__name__} is not trained; call fit first"
        )
