"""A forecaster that reads one value after the other and forecasts anew after each.

A window is read relative to its last value and from states of zero, so no state of the
network can be carried from one window to the next. What is carried is the window: each
value runs the whole network over it, in native code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

import refrain.stream
from refrain.errors import DataError, RefrainError, StreamError
from refrain.files import pack_arrays, unpack_arrays
from refrain.tasks.forecast.calibrate import apply_shift
from refrain.tasks.forecast.record import layout_record, points_kept, read_tails, tails
from refrain.tasks.forecast.samples import (
    Track,
    check_known,
    cut_samples,
    later_times,
)
from refrain.tasks.forecast.scaling import Code, calendar
from refrain.tasks.table import MISSING
from refrain.words import listed

if TYPE_CHECKING:
    from refrain.tasks.forecast.forecaster import Forecaster

# Layers of the network by which a stream finds its parts; see `network.py`.
PARTS = ("repeated", "joined", "hidden", "quantiles")
VALUE = "y"  # of an observation on a line of JSON
LARGEST = 1 << 30  # bytes of a state


class ForecastStream:
    """The forecasts of one series, anew after each of its values.

    They are those that `Forecaster.predict` makes of the whole series.

    Args:
        forecaster: trained with a cell that reads forwards.
        track: the series so far.

    Attributes:
        name: of the series.
        levels: of the quantiles.
        forecast: the latest, `(horizon, levels)`, in the unit of the series.

    Raises:
        StreamError: the cell needs the whole window at once.
        DataError: what is known in advance does not reach the horizon.
    """

    def __init__(self, forecaster: Forecaster, track: Track):
        self.name, self.levels = track.name, forecaster.levels()
        self._layout, self._shift = forecaster.layout_, forecaster.shift_
        self._network = _Native(forecaster.network_, forecaster.cell_)
        check_known(track, self._layout)
        self._track = track.tail(points_kept(self._layout))
        self.forecast = self._forecast()

    @property
    def times(self) -> np.ndarray:
        """When the forecasts are for, `(horizon,)`; 1 and on where there is no time."""
        horizon, track = self._layout.horizon, self._track
        if track.times is None:
            return np.arange(1, horizon + 1)
        return later_times(track.times[: self._origin], horizon)

    def step(
        self, value: float, covariates: Mapping[str, Any] | None = None
    ) -> np.ndarray:
        """Go one step on.

        Args:
            value: the next one of the series; NaN where there is none. The forecasts
                then stay those from the last value, and the next one fills the gap.
            covariates: by column: those known up to now, of this step; those known in
                advance, of the step that is a horizon later. None where it is missing.

        Returns:
            `forecast`.

        Raises:
            DataError: the value is no number, or the covariates are others.
        """
        value = _number(value, "the value")
        past, known = self._channels(covariates or {})
        before, track = self._origin, self._longer(value, past, known)
        if not np.isnan(value):
            steps = len(track) - before
            ends = [track.values[before - 1], value]
            filled = np.interp(np.arange(1, steps), [0, steps], ends)
            track.values[before:-1] = filled
            track = track.tail(points_kept(self._layout))
        self._track = track
        if not np.isnan(value):
            self.forecast = self._forecast()
        return self.forecast

    def state(self) -> bytes:
        """What it goes on from, to be restored exactly in this or another process."""
        records, arrays = tails([self._track], len(self._track))
        return pack_arrays({"of": self._digest(), "tracks": records}, arrays)

    def restore(self, state: bytes) -> None:
        """Go on from what `state` returned.

        Raises:
            StreamError: it is damaged, or that of another forecaster or series.
        """
        try:
            about, arrays = unpack_arrays(state, LARGEST)
            (track,) = read_tails(about["tracks"], arrays)
            digest = about["of"]
        except (RefrainError, LookupError, TypeError, ValueError):
            raise StreamError(
                "expected what ForecastStream.state returned; this is damaged"
            ) from None
        if digest != self._digest():
            raise StreamError("the state belongs to another forecaster or series")
        self._track = track
        self.forecast = self._forecast()

    def read(self, line: str) -> tuple[float, Mapping[str, Any]] | None:
        """The arguments of `step` in a line: a number, or an object of JSON."""
        text = line.strip()
        if not text:
            return None
        if not text.startswith("{"):
            return _number(text, "the value"), {}
        try:
            found = json.loads(text)
            value = found.pop(VALUE)
        except (ValueError, KeyError):
            raise DataError(
                f'expected a number, or an object such as {{"{VALUE}": 20.5}} with '
                f"the covariates, received {text[:40]!r}"
            ) from None
        return _number(value, VALUE), found

    def tell(self, forecast: np.ndarray) -> str:
        """Forecasts as a line of JSON."""
        rounded = [[float(f"{x:.6g}") for x in row] for row in forecast.T.tolist()]
        told = {"ds": str(self.times[0]), "forecast": rounded[self.levels.index(0.5)]}
        quantiles = zip(self.levels, rounded, strict=True)
        return json.dumps(told | {f"q{level:g}": row for level, row in quantiles})

    @property
    def _origin(self) -> int:
        """The first point after the last value."""
        return int(np.flatnonzero(self._track.observed)[-1]) + 1

    def _forecast(self) -> np.ndarray:
        track = self._track
        samples = cut_samples(track, np.array([self._origin]), self._layout)
        outputs = self._network(samples.past[0], samples.ahead[0])[None]
        moved = apply_shift(outputs, self._shift, self.levels)
        return track.scaling.restore(samples.restore(moved))[0]

    def _longer(self, value: float, past: np.ndarray, known: np.ndarray) -> Track:
        track, times = self._track, self._track.times
        if times is not None:
            times = np.concatenate([times, later_times(times, 1)])
        return replace(
            track,
            values=np.append(track.values, value),
            observed=np.append(track.observed, not np.isnan(value)),
            times=times,
            past=np.concatenate([track.past, past[None]]),
            known=np.concatenate([track.known, known[None]]),
        )

    def _channels(self, covariates: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
        """The new rows of a track's `past` and `known`."""
        layout, track = self._layout, self._track
        names = [code.name for code in (*layout.past, *layout.future)]
        if set(covariates) != set(names):
            raise DataError(
                f"expected the covariates {listed(names) or 'none'}, received "
                f"{listed(covariates) or 'none'}"
            )
        cycles = np.zeros((1, 0), np.float32)
        if track.times is not None:
            farthest = later_times(track.times, layout.horizon + 1)[-1:]
            cycles = calendar(farthest, layout.cycles, 1)
        past, _ = _coded(layout.past, covariates, track.past[-1])
        # What follows the covariates is the same for the whole series.
        known, fixed = _coded(
            layout.future, covariates, track.known[-1, cycles.shape[1] :]
        )
        return past, np.concatenate([cycles[0], known, fixed])

    def _digest(self) -> str:
        """What states of this forecaster and series bear."""
        track = self._track
        about = (self.name, repr(track.scaling), track.unit, self._shift.tolist())
        text = json.dumps([*about, layout_record(self._layout)])
        return hashlib.sha256(text.encode() + self._network.digest).hexdigest()


class _Native:
    """The network of a forecaster, in native code, for one window at a time."""

    def __init__(self, network: keras.Model, cell: str):
        names = {each.name for each in network.layers}
        unknown = [name for name in PARTS if name not in names]
        if unknown:
            raise StreamError(
                f"the forecaster's network has no part {listed(unknown)}, which a "
                "stream looks for: it was saved by another version; train it again"
            )
        layer = network.get_layer
        joined, hidden = layer("joined").output, layer("hidden").input[0]
        try:
            self._encoder = refrain.stream.open(
                keras.Model(network.inputs[0], layer("repeated").input)
            )
            self._decoder = refrain.stream.open(keras.Model(joined, hidden))
        except StreamError as fault:
            raise StreamError(
                f"a forecaster with the cell {cell} cannot be a stream: {fault}; train "
                "one with a cell of one direction, such as gru"
            ) from None
        self._context = layer("context").get_weights() if "context" in names else None
        self._last = layer("quantiles").get_weights()
        weights = b"".join(array.tobytes() for array in network.get_weights())
        self.digest = hashlib.sha256(weights).digest()

    def __call__(self, past: np.ndarray, ahead: np.ndarray) -> np.ndarray:
        """From `(window, channels)` and `(horizon, channels)` to quantiles."""
        self._encoder.reset()
        state = self._encoder.run(past)[-1]
        parts = [np.broadcast_to(state, (len(ahead), len(state)))]
        if self._context is not None:
            kernel, bias = self._context
            parts.append((state @ kernel + bias).reshape(len(ahead), -1))
        self._decoder.reset()
        hidden = self._decoder.run(np.concatenate([*parts, ahead], axis=1))
        kernel, bias = self._last
        return np.concatenate([hidden, ahead], axis=1) @ kernel + bias


def _number(value: Any, what: str) -> float:
    if value is None:
        return np.nan
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = np.inf
    if np.isinf(found):
        raise DataError(f"{what}: expected a number, received {value!r}")
    return found


def _coded(
    codes: tuple[Code, ...], covariates: Mapping[str, Any], last: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Channels of covariates, the last ones for what is missing, and the rest."""
    parts, first = [np.zeros(0, np.float32)], 0
    for code in codes:
        value, end = covariates[code.name], first + code.channels
        missing = value is None or str(value).strip().lower() in MISSING
        if missing:
            parts.append(last[first:end])
        elif code.words:
            parts.append(code.apply(np.array([str(value).strip()], object))[0])
        else:
            parts.append(code.apply(np.array([_number(value, code.name)]))[0])
        first = end
    return np.concatenate(parts), last[first:]
