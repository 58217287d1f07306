"""A trained forecaster's own state as JSON and plain arrays, and back.

Of each series its end is kept, so that forecasts go on from there without the data.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from refrain.tasks.forecast.samples import SPACES, Layout, Track
from refrain.tasks.forecast.scaling import Code, Scaling

_ARRAYS = ("values", "observed", "past", "known")


def layout_record(layout: Layout) -> dict[str, Any]:
    """A layout as JSON holds it."""
    return dataclasses.asdict(layout)


def read_layout(record: Mapping[str, Any]) -> Layout:
    """The layout that `layout_record` told."""
    made: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in record.items()
    }
    for role in ("past", "future", "static"):
        made[role] = tuple(
            Code(**{**code, "words": tuple(code["words"])}) for code in record[role]
        )
    return Layout(**made)


def points_kept(layout: Layout) -> int:
    """How many of the last points forecasts need."""
    return max(layout.window + layout.season, *layout.lags, SPACES) + layout.horizon


def tails(
    tracks: Sequence[Track], points: int
) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """The last points of each track, as records and arrays."""
    kept = [track.tail(points) for track in tracks]
    records = [
        {
            "name": track.name,
            "scaling": dataclasses.asdict(track.scaling),
            "unit": track.unit,
            "points": len(track),
            "known": len(track.known),
            "clock": None if track.times is None else track.times.dtype.str,
        }
        for track in kept
    ]
    arrays = {
        name: np.concatenate([getattr(track, name) for track in kept])
        for name in _ARRAYS
    }
    clocked = [
        t.times.astype("int64" if t.times.dtype.kind == "M" else float)
        for t in kept
        if t.times is not None
    ]
    if clocked:
        arrays["times"] = np.concatenate(clocked)
    return records, arrays


def read_tails(
    records: Sequence[Mapping[str, Any]], arrays: Mapping[str, np.ndarray]
) -> tuple[Track, ...]:
    """The tracks that `tails` kept."""
    ends = np.cumsum([record["points"] for record in records])[:-1]
    known = np.split(arrays["known"], np.cumsum([r["known"] for r in records])[:-1])
    parts = {name: np.split(arrays[name], ends) for name in _ARRAYS if name != "known"}
    times: list[Any] = [None] * len(records)
    if "times" in arrays:
        times = [
            part.astype(record["clock"])
            for record, part in zip(
                records, np.split(arrays["times"], ends), strict=True
            )
        ]
    return tuple(
        Track(
            record["name"],
            Scaling(**record["scaling"]),
            record["unit"],
            parts["values"][k],
            parts["observed"][k],
            times[k],
            parts["past"][k],
            known[k],
        )
        for k, record in enumerate(records)
    )
