"""Files and series that several tests of the tasks write."""

from pathlib import Path

import numpy as np

from refrain.tasks.series import Series, clean

DATA = Path(__file__).parents[3] / "shared" / "data" / "series"


def write_csv(folder: Path, text: str, name: str = "table.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def seasonal(points: int = 160, season: int = 8, noise: float = 0.2) -> Series:
    """A season, a trend and a little noise; the same at every call."""
    time = np.arange(points)
    rest = np.random.default_rng(5).normal(size=points, scale=noise)
    values = 20 + 0.02 * time + 3 * np.sin(2 * np.pi * time / season) + rest
    return clean("load (kW)", "test", values)
