"""The report of a trained forecaster, as a page."""

from __future__ import annotations

from typing import Any

import numpy as np

from refrain.report.figures import (
    INK,
    SERIES,
    figure_svg,
    legend,
    new_figure,
    style,
)
from refrain.report.page import Code, Facts, Page, Picture, Prose, Section, Table
from refrain.study.training import Training
from refrain.study.versions import versions
from refrain.tasks.forecast.backtest import Backtest, Rolled
from refrain.tasks.forecast.design import cut_parts
from refrain.tasks.forecast.forecaster import Forecaster
from refrain.tasks.forecast.samples import Track
from refrain.tasks.job.options import values
from refrain.words import counted

TITLES = {
    "mae": "MAE",
    "rmse": "RMSE",
    "smape": "sMAPE %",
    "mase": "MASE",
    "pinball": "pinball",
    "coverage": "coverage",
}
# Series that are drawn; of each so many forecasts, and so many points, at least.
DRAWN, LAST_FORECASTS, LAST_POINTS = 4, 4, 24


def report_page(made: Forecaster, source: str, command: str) -> Page:
    """What a training found.

    Args:
        made: trained in this process, with the forecasts of its backtest.
        source: name of the file that it was made from.
        command: what makes the same forecaster again.
    """
    layout, levels = made.layout_, made.levels()
    lead = (
        f"{len(made.tracks_):,} series, "
        f"{layout.horizon} steps ahead from {layout.window}, "
        f"{counted(made.backtest_.windows, 'forecast')} tested."
    )
    notes = (Prose(made.notes_, "warning"),) if made.notes_ else ()
    pictures = tuple(
        forecast_picture(track, rolled, levels)
        for track, rolled in list(zip(made.tracks_, made.rolled_, strict=False))[:DRAWN]
    )
    return Page(
        f"Forecaster from {source}",
        lead,
        (
            Section("Backtest", (backtest_table(made.backtest_), *notes)),
            Section("Forecasts", pictures),
            Section("Training", (_curves(made.training_),)),
            Section("Data", (Facts(_data(made)),)),
            Section(
                "How to make it again",
                (
                    Code(command),
                    Facts(
                        {k: str(v) for k, v in values(made).items() if v is not None}
                    ),
                    Facts(versions("numpy", "pandas", "statsmodels")),
                ),
            ),
        ),
    )


def told_season(made: Forecaster) -> str:
    """The season, and how it was found; or why there is none."""
    none = made.layout_.season == 1 and made.season_from_ != "given"
    return made.season_from_ if none else f"{made.layout_.season}: {made.season_from_}"


def backtest_table(found: Backtest) -> Table:
    """The measures of every forecaster, the best of each in bold."""
    names = list(found.errors)
    best = set()
    for column, measure in enumerate(TITLES, 1):
        known = {n: e[measure] for n, e in found.errors.items() if measure in e}
        if len(known) > 1:
            best.add((names.index(min(known, key=lambda n: known[n])), column))
    rows = [
        [name, *(f"{e[m]:.4g}" if m in e else "" for m in TITLES)]
        for name, e in found.errors.items()
    ]
    caption = (
        f"{counted(found.windows, 'forecast')} from rolling origins in the test part. "
        "MASE: errors divided by the mean error of the seasonal naive forecast before "
        "it. Coverage: values between the lowest and the highest quantile."
    )
    return Table(["forecast", *TITLES.values()], rows, caption, 1, frozenset(best))


def forecast_picture(track: Track, rolled: Rolled, levels: list[float]) -> Picture:
    """The last forecasts of a series with their widest interval, over the truth."""
    horizon = rolled.truth.shape[1]
    origins = rolled.origins[-max(LAST_FORECASTS, LAST_POINTS // horizon) :]
    first = max(0, int(origins[0]) - 2 * horizon)
    x = np.arange(first, len(track)) if track.times is None else track.times[first:]
    figure = new_figure()
    axes = figure.add_subplot()
    style(axes, track.name, y="value")
    shown = np.where(track.observed[first:], track.values[first:], np.nan)
    axes.plot(x, shown, color=INK, linewidth=1, label="truth")
    middle = levels.index(0.5)
    for k, origin in enumerate(origins):
        where = x[int(origin) - first : int(origin) - first + horizon]
        found = rolled.quantiles[len(rolled.origins) - len(origins) + k]
        share = f"{100 * (levels[-1] - levels[0]):.0f} % interval"
        names = ("forecast", share) if k == 0 else (None, None)
        _draw(axes, where, found[:, [0, middle, -1]], names)
    legend(axes)
    return Picture(
        figure_svg(figure, f"forecast-{track.name}"),
        f"Forecasts of {track.name} with intervals over the truth",
    )


def _draw(
    axes: Any, where: np.ndarray, found: np.ndarray, names: tuple[str | None, ...]
) -> None:
    """One forecast, `(horizon, 3)`: the lower end, the middle, and the upper end."""
    low, middle, high = found.T
    one = len(where) == 1  # a line or a band of one point would not be seen
    axes.plot(
        where, middle, color=SERIES[0], marker="o" if one else "", ms=3, label=names[0]
    )
    band = axes.vlines if one else axes.fill_between
    width = 4 if one else 0
    band(where, low, high, color=SERIES[0], alpha=0.2, linewidth=width, label=names[1])


def _curves(training: Training) -> Picture:
    figure = new_figure(9.0, 2.6)
    axes = figure.add_subplot()
    style(axes, "Pinball loss", "epoch")
    epochs = range(1, training.epochs + 1)
    axes.plot(epochs, training.loss, color=SERIES[0], label="training")
    axes.plot(epochs, training.validation_loss, color=SERIES[1], label="validation")
    axes.axvline(training.best_epoch, color=INK, linewidth=0.8, linestyle=":")
    legend(axes)
    caption = f"The weights of epoch {training.best_epoch} are kept."
    return Picture(figure_svg(figure, "curves"), "Losses of each epoch", caption)


def _data(made: Forecaster) -> dict[str, str]:
    layout = made.layout_
    points = sum(len(track) for track in made.tracks_)
    ends = [
        cut_parts(len(track), layout.horizon, made.wishes()) for track in made.tracks_
    ]
    learnt = sum(end.train for end in ends)
    watched = sum(end.validation for end in ends) - learnt
    gaps = sum(int((~track.observed).sum()) for track in made.tracks_)
    return {
        "series": f"{len(made.tracks_):,}",
        "points": f"{points:,}, of which {gaps:,} filled in",
        "split": f"{learnt:,} to learn from, {watched:,} to stop and calibrate by, "
        f"{points - learnt - watched:,} to test by",
        "season": told_season(made),
        "plain forecast": layout.reference,
        "lags": ", ".join(map(str, layout.lags)) or "none",
        "calendar": ", ".join(layout.cycles) or "none",
        "logarithm": f"of {sum(t.scaling.log for t in made.tracks_):,} series",
        "covariates": ", ".join(
            code.name for code in (*layout.past, *layout.future, *layout.static)
        )
        or "none",
    }
