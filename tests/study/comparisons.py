"""A comparison as a race would leave it, with figures that are easy to check."""

from refrain.study.record import Comparison, Entry, Network, Traces, Training


def network(train_s=1.5, directions=1, losses=(0.9, 0.5, 0.7)):
    training = Training(
        train_s=train_s,
        first_epoch_s=1.0,
        epoch_s=0.2,
        epochs=len(losses),
        best_epoch=1 + losses.index(min(losses)),
        loss=tuple(loss - 0.1 for loss in losses),
        validation_loss=losses,
    )
    return Network(
        parameters=1580,
        gates=2,
        directions=directions,
        step_us=2.94,
        path="gru: native kernels",
        training=training,
    )


def comparison(
    *networks, errors=None, times=None, truth=None, horizon=2, baseline=True
):
    """Networks by (key, name) on six points, against the naive forecast."""
    errors = errors or {}
    times = times or [float(k) for k in range(6)]
    entries = [Entry("naive", "naive", {"mae": 2.0, "mase": 1.0})] if baseline else []
    entries += [
        Entry(key, name, errors.get(key, {"mae": 1.0 + k, "mase": 0.5 + k}), network())
        for k, (key, name) in enumerate(networks)
    ]
    starts = list(range(2, len(times) - horizon + 1, horizon))
    traces = Traces(
        quantity="load (kW)",
        clock="time",
        times=times,
        truth=truth or [1.0, 2.0, 3.0, 2.0, 1.0, 2.0],
        starts=starts,
        forecasts={entry.key: [[1.5] * horizon for _ in starts] for entry in entries},
    )
    return Comparison(
        title="load (kW), größe.csv",
        subtitle="test part",
        facts={"window": 2, "horizon": horizon, "season": 1},
        notes=("no season",),
        entries=tuple(entries),
        traces=traces,
        versions={"python": "3"},
    )
