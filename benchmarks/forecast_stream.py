"""How long a value takes in the stream of a forecaster, beside `predict` of the same.

    python benchmarks/forecast_stream.py

Medians of one value at a time, with the defaults of `refrain train forecast` on monthly
sunspots (horizon 12) and on half-hourly taxis (horizon 48).
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable

import pandas as pd
from forecast import DATA, SERIES
from harness import machine, table

from refrain.tasks import Forecaster

VALUES, PREDICTIONS = 300, 5


def median_s(call: Callable[[int], object], count: int) -> float:
    taken = []
    for k in range(count):
        start = time.perf_counter()
        call(k)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    warnings.filterwarnings("ignore", "__array__ implementation")
    rows = []
    for name in ("sunspots", "taxi"):
        data = pd.read_csv(DATA / f"{SERIES[name]}.csv")
        made = Forecaster(epochs=1, ets=False, folds=1).fit(data)
        stream, values = made.stream(), made.tracks_[0].values
        step_s = median_s(lambda k, v=values, s=stream: s.step(v[k]), VALUES)
        whole_s = median_s(lambda _, m=made, d=data: m.predict(d), PREDICTIONS)
        layout = made.layout_
        sizes = f"{layout.window}, {layout.horizon}"
        rows.append((name, sizes, f"{1e6 * step_s:.0f}", f"{1e3 * whole_s:.0f}"))
    print(machine())
    print(table(("series", "window, horizon", "step µs", "predict ms"), rows))


if __name__ == "__main__":
    main()
