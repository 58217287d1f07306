"""How well the forecaster forecasts: real series, seeds, mean and spread.

    python benchmarks/forecast.py sunspots airline --seeds 3
    python benchmarks/forecast.py etth1 pollution thousand

Each part stands for itself. Data lies in ../shared/data/series, but for `thousand`,
which is made here. MASE and MSE are of the last windows of each series, which no
training has seen; times are wall times of `fit`, backtest and baselines included.
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from harness import machine, table

from refrain.tasks import Forecaster

DATA = Path(__file__).parents[2] / "shared" / "data" / "series"
SERIES = {
    "sunspots": "monthly-sunspots",
    "airline": "airline-passengers",
    "temperatures": "daily-min-temperatures",
    "taxi": "nyc_taxi",
    "shampoo": "shampoo",
}

# Of one seed: name of the measure and its value, in the order of the table.
Found = dict[str, float]


def single(name: str, seed: int) -> Found:
    """MASE of the network and of every baseline on one series; what intervals cover."""
    file = DATA / f"{SERIES[name]}.csv"
    made = Forecaster(seed=seed).fit(file)
    own, *others = made.backtest_.errors.items()
    found = {"network": own[1]["mase"]}
    found |= {other: errors["mase"] for other, errors in others}
    found |= {f"moved: {key}": own[1][key] for key in ("coverage", "pinball")}
    made.shift_ = np.zeros_like(made.shift_)
    bare = next(iter(made.set_params(ets=False).evaluate(file).errors.values()))
    return found | {
        f"uncalibrated: {key}": bare[key] for key in ("coverage", "pinball")
    }


def pollution(seed: int) -> Found:
    """The file as it is: gaps, and a column of text, 24 hours ahead."""
    made = Forecaster(
        target="pm2.5",
        past="DEWP,TEMP,PRES,cbwd,Iws,Is,Ir",
        horizon=24,
        epochs=12,
        folds=0,
        ets=False,
        seed=seed,
    ).fit(DATA / "pollution.csv")
    return {name: errors["mae"] for name, errors in made.backtest_.errors.items()}


def etth1(seed: int) -> Found:
    """All variables, 24 hours ahead, 12/4/4 months, standardised, every window."""
    month = 30 * 24
    rows = pd.read_csv(DATA / "ETTh1.csv")[: 20 * month]
    made = Forecaster(
        target="all",
        horizon=24,
        window=96,
        scale="linear",
        test=4 * month,
        validation=4 * month,
        units=64,
        epochs=15,
        patience=4,
        max_windows=14_000,
        ets=False,
        folds=1,
        seed=seed,
    ).fit(rows)
    origins = np.arange(16 * month, 20 * month - 24 + 1)
    squares, absolute, naive = [], [], []
    for track in made.tracks_:
        index = origins[:, None] + np.arange(24)
        truth = track.values[index]
        middle = made._forecast(track, origins)[..., 2]
        # The deviation of the training part, as the usual split standardises.
        wrong = (middle - truth) / track.scaling.deviation
        squares.append(np.square(wrong).mean())
        absolute.append(np.abs(wrong).mean())
        day = (track.values[index - 24] - truth) / track.scaling.deviation
        naive.append(np.square(day).mean())
    return {
        "MSE": float(np.mean(squares)),
        "MAE": float(np.mean(absolute)),
        "MSE of the day before": float(np.mean(naive)),
    }


def thousand(seed: int) -> Found:
    """A thousand made series of 200 days: a week of its own, a trend and noise each."""
    random = np.random.default_rng(seed)
    day = np.arange(200)
    weeks = random.normal(size=(1000, 7))[:, day % 7]
    trends = random.normal(size=(1000, 1), scale=0.01) * day
    values = 10 + 2 * weeks + trends + random.normal(size=(1000, 200))
    made = Forecaster(horizon=14, epochs=10, folds=1, ets=False, seed=seed).fit(
        pd.DataFrame(
            {
                "unique_id": np.repeat(np.arange(1000), 200),
                "ds": np.tile(pd.date_range("2024-01-01", periods=200), 1000),
                "y": values.ravel(),
            }
        )
    )
    return {name: errors["mase"] for name, errors in made.backtest_.errors.items()}


PARTS: dict[str, Callable[[int], Found]] = {
    **{name: lambda seed, name=name: single(name, seed) for name in SERIES},
    "pollution": pollution,
    "etth1": etth1,
    "thousand": thousand,
}


def rows(part: str, seeds: int) -> Iterator[tuple[str, ...]]:
    found: list[Found] = []
    for seed in range(seeds):
        start = time.perf_counter()
        found.append(PARTS[part](seed))
        found[-1]["seconds"] = time.perf_counter() - start
    for name in found[0]:
        values = [one[name] for one in found]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        yield part, name, f"{statistics.mean(values):.3f}", f"{spread:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    chosen = parser.parse_args()
    # Of shampoo and airline, which have few windows; the figures say so too.
    warnings.filterwarnings("ignore", "only .* training windows")
    warnings.filterwarnings("ignore", "the 90 % interval needs")
    warnings.filterwarnings("ignore", "__array__ implementation")
    print(machine())
    found = [row for part in chosen.parts for row in rows(part, chosen.seeds)]
    print(table(("part", "measure", f"mean of {chosen.seeds}", "spread"), found))


if __name__ == "__main__":
    main()
