"""How good a classifier is: figures, and the linear baseline that it must beat."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    roc_auc_score,
)
from sklearn.pipeline import Pipeline, make_pipeline


@dataclass(frozen=True)
class Judgement:
    """A classifier's figures on some texts.

    Attributes:
        figures: accuracy, macro F1, AUC (one label against the others), log loss.
        confusion: `[k][j]`: texts of label k that were taken for label j.
    """

    figures: dict[str, float]
    confusion: list[list[int]]


def judge(truth: np.ndarray, probabilities: np.ndarray) -> Judgement:
    """Compare probabilities with the truth.

    Args:
        truth: index of each text's label, `(texts,)`.
        probabilities: `(texts, classes)`.
    """
    classes = np.arange(probabilities.shape[1])
    chosen = probabilities.argmax(axis=1)
    scores = probabilities[:, 1] if len(classes) == 2 else probabilities
    # Not defined where a label is absent.
    auc = float("nan")
    if len(np.unique(truth)) == len(classes):
        auc = float(roc_auc_score(truth, scores, multi_class="ovr"))
    return Judgement(
        {
            "accuracy": float(accuracy_score(truth, chosen)),
            "f1": float(
                f1_score(truth, chosen, average="macro", zero_division=cast("str", 0.0))
            ),
            "auc": auc,
            "log_loss": float(log_loss(truth, probabilities, labels=classes)),
        },
        confusion_matrix(truth, chosen, labels=classes).tolist(),
    )


def temperature(truth: np.ndarray, logits: np.ndarray) -> float:
    """By what to divide logits so that probabilities are calibrated.

    The divisor between 1/16 and 16 with the lowest log loss. Source: Guo et al. 2017,
    arXiv 1706.04599. Of n texts, each counts as one of its label but for a share of
    1 / (n + 2), which the other labels have, as in Platt 1999: however right the
    network is on few texts, they cannot make it surer than they are many.
    """
    texts, classes = logits.shape
    shares = np.full((texts, classes), 1 / (texts + 2) / (classes - 1))
    shares[np.arange(texts), truth] = (texts + 1) / (texts + 2)
    # The loss has one valley in the divisor's inverse; a golden-section search.
    low, high = np.log(1 / 16), np.log(16)
    share = (np.sqrt(5) - 1) / 2
    for _ in range(60):
        inner = high - share * (high - low), low + share * (high - low)
        left, right = (_log_loss(shares, logits / np.exp(at)) for at in inner)
        low, high = (low, inner[1]) if left < right else (inner[0], high)
    return float(np.exp((low + high) / 2))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of each row."""
    grown = np.exp(logits - logits.max(axis=1, keepdims=True))
    return grown / grown.sum(axis=1, keepdims=True)


def log_odds(logits: np.ndarray) -> np.ndarray:
    """Log odds, in each row, of the label that is the most probable in the first."""
    logits = logits.astype(float)
    chosen = logits[0].argmax()
    others = np.delete(logits, chosen, axis=1)
    most = others.max(axis=1)
    total = most + np.log(np.exp(others - most[:, None]).sum(axis=1))
    return logits[:, chosen] - total


def _log_loss(shares: np.ndarray, logits: np.ndarray) -> float:
    found = softmax(logits.astype(float))
    return float(-(shares * np.log(np.maximum(found, 1e-300))).sum(axis=1).mean())


def balanced(truth: np.ndarray, classes: int) -> np.ndarray:
    """Weights of texts with which every label counts the same; their mean is 1."""
    counts = np.bincount(truth, minlength=classes)
    return (len(truth) / (classes * counts))[truth].astype(np.float32)


def linear_baseline(texts: Sequence[str], truth: np.ndarray) -> Pipeline:
    """A logistic regression on the TF-IDF of words, trained."""
    words = TfidfVectorizer(sublinear_tf=True)
    # Its words have two letters or more; texts may have none of those.
    if not any(map(re.compile(words.token_pattern).search, texts)):
        words.set_params(token_pattern=r"\S+")  # noqa: S106
    pipeline = make_pipeline(
        words,
        LogisticRegression(C=3.0, max_iter=1000, class_weight="balanced"),
    )
    return pipeline.fit(texts, truth)
