"""A comparison as a race would leave it, with figures that are easy to check."""

from dataclasses import replace

from refrain.compare.record import (
    Comparison,
    Confusion,
    Cost,
    Entry,
    Latency,
    Memory,
    Metric,
    Run,
    Traces,
)
from refrain.study.training import Training

MASE = Metric("MASE", "scaled error")
MAE = Metric("MAE", "mean absolute error")


def training(train_s=1.5, losses=(0.9, 0.5, 0.7)):
    return Training(
        train_s=train_s,
        first_epoch_s=1.0,
        epoch_s=0.2,
        epochs=len(losses),
        best_epoch=1 + losses.index(min(losses)),
        loss=tuple(loss - 0.1 for loss in losses),
        validation_loss=losses,
    )


def network(directions=1, gates=2, way="stream", p99_us=4.0, **changed):
    figures = {
        "parameters": 1580,
        "gates": gates,
        "directions": directions,
        "multiply_adds": 1000,
        "memory_bytes": 2_500_000,
        "latency": Latency(2.94, p99_us, way),
        "path": "gru: native kernels",
    }
    return Cost(**{**figures, **changed})


def memory(horizon=9, reach=0.05, steps=24, gates=("z",)):
    return Memory(
        steps=steps,
        horizon=horizon,
        influence=tuple(0.9**k for k in range(steps + 1)),
        gradient=tuple(reach ** (k / (steps - 1)) for k in range(steps)),
        gates={name: [[0.25, 0.75]] * steps for name in gates},
    )


def run(seed=0, shown=(), losses=(0.9, 0.5, 0.7), **scores):
    return Run(seed, scores, training(losses=losses), 480_000.0, shown)


def entry(key, name, values, shown=(), cost=None, memory=None, **changed):
    """A network whose MASE has these values, one a seed, and whose MAE twice them."""
    runs = tuple(run(k, shown, MASE=v, MAE=2 * v) for k, v in enumerate(values))
    runs = (*(replace(r, memory=memory) for r in runs[:1]), *runs[1:])
    return Entry(key, name, runs=runs, network=cost or network(), **changed)


def comparison(*networks, values=None, times=None, truth=None, horizon=2, **changed):
    """Networks by (key, name) on six points, against the naive forecast."""
    values = values or {}
    times = times or [float(k) for k in range(6)]
    starts = list(range(2, len(times) - horizon + 1, horizon))
    shown = [[1.5] * horizon for _ in starts]
    naive = Entry("naive", "naive", {"MASE": 1.0, "MAE": 2.0}, shown=shown)
    entries = [
        entry(key, name, values.get(key, [0.5 + k]), shown)
        for k, (key, name) in enumerate(networks)
    ]
    record = {
        "task": "forecast",
        "title": "load (kW), größe.csv",
        "about": ("6 points",),
        "subtitle": "test part",
        "metrics": (MASE, MAE),
        "loss": "mean absolute error",
        "facts": {"window": 2, "horizon": horizon, "season": 1},
        "notes": ("no season",),
        "entries": (naive, *entries),
        "exhibit": Traces(
            quantity="load (kW)",
            clock="time",
            times=times,
            truth=truth or [1.0, 2.0, 3.0, 2.0, 1.0, 2.0],
            starts=starts,
        ),
        "versions": {"python": "3"},
        "command": "refrain compare größe.csv",
    }
    return Comparison(**{**record, **changed})


def classes(*networks):
    """Networks by (key, name) that told three classes apart."""
    shown = [[8, 1, 1], [0, 10, 0], [5, 0, 5]]
    metric = Metric("accuracy", "share that is right", more=True)
    entries = tuple(
        Entry(
            key, name, runs=(run(0, shown, accuracy=0.7 + k / 10),), network=network()
        )
        for k, (key, name) in enumerate(networks)
    )
    chance = Entry("chance", "most frequent", {"accuracy": 0.34})
    return comparison(
        task="text",
        metrics=(metric,),
        entries=(chance, *entries),
        exhibit=Confusion(("a", "b", "c")),
    )
