"""Scales a series and codes covariates, by what their training part alone shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from refrain.tasks.clock import DAY_S

# Covariates farther out, in standard deviations, count as if they were here.
FARTHEST = 5.0
# Words of a covariate; rarer ones share the code of unknown words.
MOST_WORDS = 50


@dataclass(frozen=True)
class Scaling:
    """How values of a series become numbers about zero.

    Attributes:
        log: the logarithm is taken first.
        mean, deviation: of the training part, after that.
        lowest, highest: of the training part, scaled.
    """

    log: bool
    mean: float
    deviation: float
    lowest: float
    highest: float

    def scale(self, values: np.ndarray) -> np.ndarray:
        """Values in the series' unit as scaled ones."""
        if self.log:
            # New data may reach down to where there is no logarithm.
            values = np.log(np.maximum(values, np.finfo(float).tiny))
        return (values - self.mean) / self.deviation

    def restore(self, scaled: np.ndarray) -> np.ndarray:
        """Undo `scale`."""
        values = self.mean + self.deviation * np.asarray(scaled, float)
        return np.exp(np.minimum(values, 700.0)) if self.log else values


def fit_scaling(training: np.ndarray, season: int, log: bool | None = None) -> Scaling:
    """The scaling of a series.

    Args:
        training: values of the training part, `(points,)`, and no later ones.
        season: steps after which it repeats itself.
        log: whether to take the logarithm; None: where the swing grows with the level.
    """
    if log is None:
        log = swing_grows_with_level(training, season)
    values = np.log(training) if log else training
    mean, deviation = float(values.mean()), float(values.std())
    if deviation <= 1e-12 * max(1e-300, float(np.abs(values).max())):
        deviation = 1.0  # a constant: its changes, if any, count as they are
    scaled = (values - mean) / deviation
    return Scaling(log, mean, deviation, float(scaled.min()), float(scaled.max()))


def swing_grows_with_level(values: np.ndarray, season: int) -> bool:
    """Whether a logarithm makes the swing within a season more even.

    Guerrero 1993, doi:10.1002/for.3980120104, with the powers 0 and 1 alone: the
    variation, over blocks of a season, of their deviation by their mean to the power.
    """
    size = season if season > 1 else 12
    blocks = len(values) // size
    if values.min() <= 0 or blocks < 4:
        return False
    parts = values[-blocks * size :].reshape(blocks, size)
    swing, level = parts.std(axis=1), parts.mean(axis=1)
    variation = [
        ratio.std() / max(ratio.mean(), 1e-300) for ratio in (swing / level, swing)
    ]
    # A tenth better, for a logarithm has a price: forecasts leave the unit.
    return bool(variation[0] < 0.9 * variation[1])


@dataclass(frozen=True)
class Code:
    """How a covariate becomes channels.

    Attributes:
        name: of its column.
        words: those that the training part has, a channel each; none for numbers.
        mean, deviation: of numbers in the training part.
    """

    name: str
    words: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def channels(self) -> int:
        """Numbers in a step."""
        return len(self.words) or 1

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Channels `(points, channels)` float32.

        The last known value stands for a missing one; the mean, or no word, where
        there is none before it.
        """
        known = values != "" if values.dtype == object else ~np.isnan(values)
        last = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
        if self.words:
            texts = np.array([str(values[k]) if k >= 0 else "" for k in last], object)
            return (texts[:, None] == np.array(self.words, object)).astype(np.float32)
        if values.dtype == object:
            values = np.full(len(values), np.nan)
        found = (
            np.where(last >= 0, values[last], self.mean) - self.mean
        ) / self.deviation
        found = np.nan_to_num(np.clip(found, -FARTHEST, FARTHEST))
        return found[:, None].astype(np.float32)


def fit_code(name: str, training: Iterable[np.ndarray]) -> Code:
    """The code of a covariate, from the training parts of all series."""
    parts = list(training)
    if any(part.dtype == object for part in parts):
        texts = np.concatenate([part.astype(str) for part in parts])
        words, counts = np.unique(
            texts[(texts != "") & (texts != "nan")], return_counts=True
        )
        often = np.argsort(-counts, kind="stable")[:MOST_WORDS]
        return Code(name, tuple(sorted(words[often].tolist())) or ("",))
    numbers = np.concatenate(parts)
    numbers = numbers[~np.isnan(numbers)]
    if not numbers.size:
        return Code(name)
    return Code(name, (), float(numbers.mean()), float(numbers.std()) or 1.0)


def find_calendar(times: np.ndarray | None) -> tuple[str, ...]:
    """The cycles of the calendar that dates show at least twice, by name.

    A cycle that the training part does not contain twice would only tell how late it
    is, and nothing that comes back.
    """
    if times is None or times.dtype.kind != "M" or len(times) < 2:
        return ()
    ends = times[[0, -1]].astype("datetime64[s]").astype(float)
    span = float(ends[1] - ends[0])
    step = span / (len(times) - 1)
    lengths = {"day": DAY_S, "week": 7 * DAY_S, "year": 365 * DAY_S}
    finest = {"day": DAY_S / 2, "week": DAY_S, "year": 93 * DAY_S}
    return tuple(
        name
        for name, length in lengths.items()
        if step <= finest[name] and span >= 1.9 * length
    )


def calendar(
    times: np.ndarray | None, cycles: Sequence[str], points: int
) -> np.ndarray:
    """Where dates stand in their cycles, `(points, channels)` float32.

    Days of the week have a channel each; the day and the year two waves, as sine and
    cosine.
    """
    if times is None or not cycles:
        return np.zeros((points, 0), np.float32)
    seconds = times.astype("datetime64[s]").astype(np.int64)
    day = seconds // DAY_S
    channels = []
    for name in cycles:
        if name == "week":
            channels.append(np.eye(7)[(day + 3) % 7])  # 1970-01-01 was a Thursday
            continue
        phase = (seconds % DAY_S) / DAY_S
        if name == "year":
            start = (
                times.astype("datetime64[Y]").astype("datetime64[s]").astype(np.int64)
            )
            phase = (seconds - start) / (365.25 * DAY_S)
        waves = 2 * np.pi * phase[:, None] * np.array([1, 2])
        channels += [np.sin(waves), np.cos(waves)]
    return np.concatenate(channels, axis=1).astype(np.float32)
