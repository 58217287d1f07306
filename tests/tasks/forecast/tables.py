"""Tables that several tests of the forecaster read."""

import numpy as np
import pandas as pd


def long_table(series: int = 3, points: int = 90, season: int = 6) -> pd.DataFrame:
    """Days of several series with a season, a promotion known ahead, a kind each."""
    random = np.random.default_rng(7)
    time = np.arange(points)
    parts = []
    for k in range(series):
        promotion = (random.random(points) < 0.2).astype(float)
        wave = (2 + k) * np.sin(2 * np.pi * (time + k) / season)
        noise = random.normal(size=points, scale=0.1)
        parts.append(
            pd.DataFrame(
                {
                    "unique_id": f"shop {k}",
                    "ds": pd.date_range("2024-01-01", periods=points).astype(str),
                    "y": 20 + wave + 4 * promotion + noise,
                    "promotion": promotion,
                    "weather": random.choice(["dry", "wet"], points),
                    "kind": "large" if k else "small",
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
