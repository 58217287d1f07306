"""Short reviews that a network learns in seconds: one word of eight decides."""

import csv

import numpy as np

WORDS = {
    "good": ("fine", "superb", "lovely"),
    "bad": ("dull", "weak", "awful"),
    "odd": ("queer", "weird", "strange"),
}
FILLERS = ["the", "film", "was", "a", "story", "of", "some", "people", "in", "town"]


def reviews(count, labels=("good", "bad"), seed=0, length=7):
    """Texts and their labels, in turn."""
    random = np.random.default_rng(seed)
    texts, found = [], []
    for k in range(count):
        label = labels[k % len(labels)]
        words = list(random.choice(FILLERS, length - 1))
        words.insert(random.integers(length), random.choice(WORDS[label]))
        texts.append(" ".join(words))
        found.append(label)
    return texts, found


def write_reviews(path, texts, labels):
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label"])
        rows.writerows(zip(texts, labels, strict=True))
    return path
