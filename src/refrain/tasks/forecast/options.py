"""The options of a forecaster, and what its parts read of them.

Imports nothing heavy: the command reads them for its help.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from refrain.errors import OptionError
from refrain.tasks.job.options import option

if TYPE_CHECKING:
    from refrain.study.training import Budget
    from refrain.tasks.forecast.design import Wishes
    from refrain.tasks.forecast.panel import Columns

REFERENCES = ("last", "seasonal")
FORMS = ("direct", "encoder-decoder")


@dataclass(eq=False, repr=False)
class ForecastOptions:
    """See `refrain train forecast --help`, or each field's meaning."""

    target: str | None = option(
        None, "Columns to forecast; all: every numeric one.", metavar="COLUMNS"
    )
    time: str | None = option(
        None, "Column of dates, or year,month,day columns.", metavar="COLUMNS"
    )
    series: str | None = option(
        None, "Column that tells the series of a long table apart.", metavar="COLUMN"
    )
    past: str | None = option(
        None, "Covariates that are known up to now.", metavar="COLUMNS"
    )
    future: str | None = option(
        None, "Covariates that are known in advance.", metavar="COLUMNS"
    )
    static: str | None = option(
        None, "Covariates that are the same for a whole series.", metavar="COLUMNS"
    )
    horizon: int | None = option(None, "Steps to forecast.", least=1, metavar="STEPS")
    window: int | None = option(None, "Steps read.", least=2, metavar="STEPS")
    season: int | None = option(
        None, "Steps after which series repeat themselves.", least=1, metavar="STEPS"
    )
    scale: str = option(
        "auto", "Values as they are, or their log.", choices=("auto", "linear", "log")
    )
    reference: str = option(
        "auto", "The plain forecast to improve.", choices=("auto", *REFERENCES)
    )
    form: str = option("direct", "How steps of the horizon are made.", choices=FORMS)
    cell: str = option(
        "gru", "Recurrent cell by name; auto: a short race.", metavar="NAME"
    )
    units: int = option(32, "Units of each recurrent layer.", least=1)
    layers: int = option(1, "Recurrent layers.", least=1, most=8)
    dropout: float = option(0.0, "Share of the state left out.", least=0, most=0.9)
    quantiles: str = option(
        "0.05,0.25,0.5,0.75,0.95",
        "Levels to forecast, 0.5 among them.",
        metavar="LEVELS",
    )
    epochs: int = option(50, "Passes over the training windows, at most.", least=1)
    patience: int = option(8, "Epochs without a better validation loss.", least=1)
    batch_size: int = option(64, "Windows a step of the optimiser.", least=1)
    learning_rate: float = option(2e-3, "Of Adam.", least=1e-7, most=1)
    max_windows: int = option(10_000, "Training windows, at most; 0: all.", least=0)
    test: float = option(0.2, "Test part: share, or steps from 1.", least=0)
    validation: float = option(0.15, "Validation part, likewise.", least=0)
    folds: int = option(20, "Backtest forecasts a series, at most; 0: all.", least=0)
    ets: bool = option(True, "Compare with exponential smoothing.")
    seed: int = option(
        0, "The same seed, the same forecaster.", least=0, most=2**32 - 1
    )

    def columns(self) -> Columns:
        """The roles of columns."""
        from refrain.tasks.forecast.panel import Columns

        return Columns(**{f.name: getattr(self, f.name) for f in _fields(Columns)})

    def wishes(self) -> Wishes:
        """What is to be chosen, where it is not given."""
        from refrain.tasks.forecast.design import Wishes

        return Wishes(**{f.name: getattr(self, f.name) for f in _fields(Wishes)})

    def budget(self, **changes: Any) -> Budget:
        """Of a training, with changes."""
        from refrain.study.training import Budget

        made = Budget(**{f.name: getattr(self, f.name) for f in _fields(Budget)})
        return dataclasses.replace(made, **changes)

    def levels(self) -> list[float]:
        """The quantiles to forecast.

        Raises:
            OptionError: they do not rise, or the median is not among them.
        """
        try:
            levels = [float(text) for text in self.quantiles.split(",")]
        except ValueError:
            levels = []
        rising = levels == sorted(set(levels)) and all(0 < x < 1 for x in levels)
        if not rising or 0.5 not in levels:
            raise OptionError(
                "quantiles: expected rising levels between 0 and 1, 0.5 among them, "
                f"such as 0.1,0.5,0.9, received {self.quantiles!r}"
            )
        return levels


def _fields(kind: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(kind)
