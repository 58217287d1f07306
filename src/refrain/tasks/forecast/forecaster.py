"""The forecaster: from a table of series to a trained network in use.

One network serves all series. What it forecasts are quantiles of each value of the
horizon; their median is the forecast.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator

from refrain.errors import DataError, OptionError
from refrain.files import make_folder
from refrain.study.candidates import find_candidates
from refrain.study.train import Progress, predict
from refrain.study.training import Training
from refrain.tasks.forecast.backtest import Backtest, Rolled, backtest
from refrain.tasks.forecast.calibrate import advice, apply_shift, fit_shift
from refrain.tasks.forecast.design import cut_parts, make_design, new_track
from refrain.tasks.forecast.forecast_stream import ForecastStream
from refrain.tasks.forecast.learn import (
    Watch,
    best_options,
    fastest_learner,
    learn,
    samples_of,
)
from refrain.tasks.forecast.options import ForecastOptions
from refrain.tasks.forecast.panel import all_notes, read_panel
from refrain.tasks.forecast.record import (
    layout_record,
    points_kept,
    read_layout,
    read_tails,
    tails,
)
from refrain.tasks.forecast.samples import (
    Samples,
    Track,
    check_known,
    cut_samples,
    later_times,
)
from refrain.tasks.job import file as model_file
from refrain.tasks.job.options import check, values
from refrain.tasks.job.registry import FORECASTER
from refrain.tasks.job.trained import check_trained
from refrain.words import counted, listed

# With fewer training windows, what is learnt is mostly chance.
FEW_WINDOWS = 100
CHUNK = 2000


class Forecaster(BaseEstimator, ForecastOptions):
    """Forecasts the next values of one or many series, with intervals."""

    goes_on = True

    def fit(
        self,
        data: Any,
        *,
        report: Callable[[str, Progress], None] = lambda *_: None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        checkpoints: str | os.PathLike[str] | None = None,
        trials: int = 0,
    ) -> Forecaster:
        """Train on a table, and test on its last part, which nothing else has seen.

        Args:
            data: a CSV or Parquet file, a DataFrame, a Series, or values `(points,)`.
            report: called with a network's name and where its training stands.
            callbacks: of Keras, for the training of the final network.
            checkpoints: a folder in which training leaves after each epoch where it
                stands. If it did so before, training goes on from there, to the same
                forecaster.
            trials: of a search for units, layers, learning rate and dropout by the
                validation loss, which sets these options.

        Raises:
            DataError: the data cannot be used; the message says why.
            OptionError: an option has a value that it cannot have.
        """
        check(self)
        if self.cell != "auto":
            find_candidates(self.cell)
        levels = self.levels()
        members = read_panel(data, self.columns())
        design = make_design(members, self.wishes())
        training = samples_of(design, "training", self.max_windows)
        validation = samples_of(design, "validation", self.max_windows // 2)
        folder = None if checkpoints is None else make_folder(checkpoints)
        watch = Watch(report, callbacks, folder)
        apart = min(design.horizons, len(validation))
        few = _warn((*_few(len(training)), *advice(levels, apart)))
        self.layout_, self.tracks_ = design.layout, design.tracks
        self.season_from_ = design.season_from
        self.cell_ = self.cell
        if self.cell == "auto":
            self.cell_ = fastest_learner(self, training, validation, watch)
        parts = (self.cell_, training, validation)
        if trials:
            self.set_params(**best_options(self, *parts, watch, trials))
        self.network_, self.training_ = learn(
            self, *parts, self.budget(), watch, "final"
        )
        learnt = np.sort(self._outputs(validation), axis=-1)
        self.shift_ = fit_shift(learnt, validation.targets, levels, apart)
        firsts = [end.validation for end in design.ends]
        self.backtest_, self.rolled_ = self._backtest(design.tracks, firsts)
        self.notes_ = (*all_notes(members), *few, *self.backtest_.advice())
        return self

    def predict(self, data: Any = None) -> pd.DataFrame:
        """The next values of each series.

        Args:
            data: as for `fit`; the forecasts go on from its end. Without it they go on
                from the end of what the forecaster was trained on. Series that it was
                not trained on are scaled by all of their values.

        Returns:
            A row for each step of each series: `unique_id`, `ds` (a date, or steps
            from the first forecast on), `forecast`, and a column for each quantile.
        """
        check_trained(self)
        levels, horizon = self.levels(), self.layout_.horizon
        tracks = self.tracks_
        if data is not None:
            tracks = [track for track, _ in self._read(data, whole=True)]
        rows = []
        for track in tracks:
            check_known(track, self.layout_)
            found = self._forecast(track, np.array([len(track)]))[0]
            times = np.arange(1, horizon + 1)
            if track.times is not None:
                times = later_times(track.times, horizon)
            columns = {f"q{level:g}": found[:, k] for k, level in enumerate(levels)}
            rows.append(
                pd.DataFrame(
                    {
                        "unique_id": track.name,
                        "ds": times.astype(str) if times.dtype.kind == "M" else times,
                        "forecast": found[:, levels.index(0.5)],
                        **columns,
                    }
                )
            )
        return pd.concat(rows, ignore_index=True)

    def evaluate(
        self, data: Any = None, *, stride: int | None = None, folds: int | None = None
    ) -> Backtest:
        """The rolling-origin backtest, beside the baselines.

        Args:
            data: as for `fit`, of which the last part is forecast; without it the
                backtest of the training file's test part is returned.
            stride: steps between two forecasts; the horizon if None.
            folds: forecasts a series, at most; 0 for all; the option's if None.
        """
        check_trained(self)
        if data is None:
            return self.backtest_
        tracks, firsts = zip(*self._read(data, whole=False), strict=True)
        return self._backtest(tracks, firsts, stride, folds)[0]

    def score(self, data: Any = None) -> float:
        """Minus MASE, or minus MAE where there is no MASE: the higher the better."""
        found = self.evaluate(data)
        return -next(iter(found.errors.values()))[found.measure]

    def stream(self, series: str | None = None, data: Any = None) -> ForecastStream:
        """Forecasts of one series, anew after each value; see `ForecastStream`.

        Args:
            series: its name; not needed where there is but one.
            data: as for `predict`: the stream goes on from its end.

        Raises:
            DataError: there is no such series among those it was trained on, whose
                scale a stream needs.
            StreamError: the network needs the whole window at once.
        """
        check_trained(self)
        names = [track.name for track in self.tracks_]
        tracks = self.tracks_
        if data is not None:
            tracks = [track for track, _ in self._read(data, whole=True)]
        tracks = [track for track in tracks if track.name in names]
        if series is None and len(tracks) > 1:
            raise DataError(
                f"a stream is of one series; name one (--series) of {listed(names)}"
            )
        found = [track for track in tracks if series in (None, track.name)]
        if not found:
            wanted = "series" if series is None else f"series {series!r}"
            raise DataError(f"no {wanted} of those trained on, {listed(names)}")
        return ForecastStream(self, found[0])

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write everything into one file, for `load`."""
        check_trained(self)
        records, arrays = tails(self.tracks_, points_kept(self.layout_))
        state = {
            "layout": layout_record(self.layout_),
            "season_from": self.season_from_,
            "cell": self.cell_,
            "shift": self.shift_.tolist(),
            "notes": list(self.notes_),
            "backtest": self.backtest_.record(),
            "training": dataclasses.asdict(self.training_),
            "tracks": records,
        }
        model_file.save(
            Path(path), FORECASTER, values(self), state, self.network_, arrays
        )
        return Path(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Forecaster:
        """Read what `save` wrote; nothing in the file is run."""
        with model_file.reading(Path(path), FORECASTER) as found:
            made, state = cls(**found.options), found.state
            made.layout_ = read_layout(state["layout"])
            made.season_from_ = state["season_from"]
            made.cell_ = state["cell"]
            made.shift_ = np.array(state["shift"], float)
            made.notes_ = tuple(state["notes"])
            made.backtest_ = Backtest.read(state["backtest"])
            made.training_ = Training(**state["training"])
            made.tracks_ = read_tails(state["tracks"], found.arrays)
            made.network_, made.rolled_ = found.network, []
        return made

    def predict_lines(
        self, file: Path | None, standard_input: Iterable[str], words: bool = False
    ) -> Iterator[str]:
        """Forecasts as lines of CSV: after a file, standard input, or the training."""
        if words:
            raise OptionError("--words: a forecaster reads no words")
        data: Any = file
        if file is None and (text := "".join(standard_input)).strip():
            with tempfile.TemporaryDirectory() as folder:
                data = Path(folder) / "standard input"
                data.write_text(text, encoding="utf-8")
                found = self.predict(data)
        else:
            found = self.predict(data)
        yield from found.to_csv(index=False, float_format="%.6g").splitlines()

    def evaluate_file(self, file: Path) -> dict[str, float]:
        """Measures by name, of the network and of each baseline."""
        errors = self.evaluate(file).errors
        return {
            measure if k == 0 else f"{measure} of {name}": value
            for k, (name, found) in enumerate(errors.items())
            for measure, value in found.items()
        }

    def _outputs(self, samples: Samples) -> np.ndarray:
        """The network's quantiles, in units of the samples."""
        return predict(self.network_, [samples.past, samples.ahead])  # pyright: ignore[reportArgumentType]

    def _forecast(self, track: Track, origins: np.ndarray) -> np.ndarray:
        """Quantiles in the series' unit, `(windows, horizon, levels)`."""
        found, levels = [], self.levels()
        for first in range(0, len(origins), CHUNK):
            samples = cut_samples(track, origins[first : first + CHUNK], self.layout_)
            moved = apply_shift(self._outputs(samples), self.shift_, levels)
            scaled = samples.restore(moved)
            found.append(track.scaling.restore(scaled))
        return np.concatenate(found)

    def _backtest(
        self,
        tracks: Sequence[Track],
        firsts: Sequence[int],
        stride: int | None = None,
        folds: int | None = None,
    ) -> tuple[Backtest, list[Rolled]]:
        return backtest(
            tracks,
            firsts,
            self.layout_,
            self._forecast,
            self.levels(),
            self.cell_,
            stride=stride,
            most=self.folds if folds is None else folds,
            smooth=self.ets,
        )

    def _read(self, data: Any, whole: bool) -> Iterator[tuple[Track, int]]:
        """Tracks of new data, and the first point of each that may be forecast."""
        known = {track.name: track for track in self.tracks_}
        for member in read_panel(data, self.columns()):
            points, layout = len(member.series), self.layout_
            first = cut_parts(points, layout.horizon, self.wishes()).validation
            needed = max(layout.first, 2) + (0 if whole else layout.horizon)
            if points < needed:
                raise DataError(
                    f"series {member.series.name!r}: expected at least "
                    f"{counted(needed, 'point')}, found {points:,}"
                )
            end = points if whole else max(first, layout.first)
            track = new_track(member, layout, end, known.get(member.series.name))
            yield track, end


def _few(windows: int) -> tuple[str, ...]:
    if windows >= FEW_WINDOWS:
        return ()
    few = (
        f"only {counted(windows, 'training window')}: too few for a network to learn "
        "much from; trust the best baseline rather"
    )
    return (few,)


def _warn(messages: tuple[str, ...]) -> tuple[str, ...]:
    for message in messages:
        warnings.warn(message, stacklevel=3)
    return messages
