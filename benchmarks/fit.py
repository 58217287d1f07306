"""A training step and a prediction through Keras: ours and Keras's own layers.

Keras has one backend a process, so every contestant is a process of its own; they take
turns, round by round. Before anything is timed, all must report the same losses from
the same weights and data. What counts is the time from the first step of an epoch to
its last: when `fit` ends, TensorFlow may wait as long again before it lets go of the
data, for which no step is to blame.

    python benchmarks/fit.py                  # all cases, all backends installed
    python benchmarks/fit.py --cases lstm,gru --backends jax
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

from harness import machine, table

BATCH, STEPS, WORDS, EMBEDDED, UNITS, CLASSES, BATCHES = 32, 200, 1000, 64, 128, 10, 25
CASES = {
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
    "simple_rnn": ("SimpleRNN", {}),
    # More words than half the steps of a batch: ours multiplies, as Keras does.
    "lstm many words": ("LSTM", {"words": 10_000}),
    "lstm masked": ("LSTM", {"mask": True}),
    "lstm recurrent dropout": ("LSTM", {"recurrent_dropout": 0.2}),
    "lstm bidirectional": ("LSTM", {"bidirectional": True}),
    "lstm predict": ("LSTM", {"predict": True}),
    "small lstm": ("LSTM", {"small": True}),
    "small simple_rnn": ("SimpleRNN", {"small": True}),
}


# -- one contestant, in its own process --------------------------------------------


def worker(who: str, case: str) -> None:
    """Build the model, report losses, then time one round for each line of input."""
    import numpy as np

    # Keras alone, without what importing refrain changes in a process.
    layers = importlib.import_module(
        "refrain.keras.layers" if who == "refrain" else "keras.layers"
    )
    kind, options = CASES[case]
    rng = np.random.default_rng(0)
    model, x, y = (
        small(layers, kind, rng)
        if "small" in options
        else usual(layers, kind, options, rng)
    )
    model.set_weights(
        [rng.normal(size=w.shape, scale=0.05) for w in model.get_weights()]
    )

    clock = stopwatch()
    how = {"batch_size": BATCH, "verbose": 0, "callbacks": [clock]}

    def fit() -> float:
        return model.fit(x, y, shuffle=False, **how).history["loss"][0]

    def predict() -> float:
        return float(np.abs(model.predict(x, **how)).mean())

    run = predict if "predict" in options else fit
    print(json.dumps({"losses": [run(), run()]}), flush=True)
    for _ in sys.stdin:
        run()
        print(json.dumps(clock.seconds / (len(x) / BATCH)), flush=True)


def stopwatch():
    """A callback with the seconds that the steps of the last epoch took together."""
    import keras

    class Stopwatch(keras.callbacks.Callback):
        began = seconds = 0.0

        def start(self, *_, **__) -> None:
            self.began = time.perf_counter()

        def stop(self, *_, **__) -> None:
            self.seconds = time.perf_counter() - self.began

        on_epoch_begin = on_predict_begin = start
        on_epoch_end = on_predict_end = stop

    return Stopwatch()


def usual(layers, kind: str, options: dict, rng):
    """Embedding, recurrent layer, Dense on sequences of word numbers."""
    import keras
    import numpy as np

    words = options.get("words", WORDS)
    x = rng.integers(1, words, (BATCH * BATCHES, STEPS))
    mask = options.get("mask", False)
    if mask:  # ragged: padded at the end to lengths between half and all
        lengths = rng.integers(STEPS // 2, STEPS + 1, len(x))
        x[np.arange(STEPS)[None] >= lengths[:, None]] = 0
    y = rng.integers(0, CLASSES, len(x))
    dropout = options.get("recurrent_dropout", 0.0)
    recurrent = getattr(layers, kind)(UNITS, recurrent_dropout=dropout, seed=1)
    if options.get("bidirectional"):
        recurrent = layers.Bidirectional(recurrent)
    model = keras.Sequential(
        [
            layers.Embedding(words, EMBEDDED, mask_zero=mask),
            recurrent,
            layers.Dense(CLASSES),
        ]
    )
    model.build((None, STEPS))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss)
    return model, x, y


def small(layers, kind: str, rng):
    """The reference example: 10 steps of 1 feature, 50 units, one number out."""
    import keras

    x = rng.normal(size=(BATCH * BATCHES * 10, 10, 1)).astype("float32")
    recurrent = getattr(layers, kind)(50, activation="relu")
    model = keras.Sequential([keras.Input((10, 1)), recurrent, layers.Dense(1)])
    model.compile("adam", "mse")
    return model, x, x.sum(1)


# -- the match ---------------------------------------------------------------------


class Contestant:
    def __init__(self, backend: str, who: str, case: str):
        self.name = f"{who} on {backend}"
        self.times: list[float] = []
        environment = {
            **os.environ,
            "KERAS_BACKEND": backend,
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker", who, case],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
        )
        self.losses = self.read()["losses"]

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise SystemExit(f"{self.name} ended early:\n{self.errors.read()[-2000:]}")
        return json.loads(line)

    def round(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.times.append(self.read())

    def close(self) -> float:
        self.process.stdin.close()
        self.process.wait()
        return statistics.median(self.times[1:]) * 1e3


def match(case: str, backends: list[str], rounds: int) -> list[tuple]:
    who = [(b, w) for b in backends for w in ("refrain", "keras")]
    contestants = [Contestant(*each, case) for each in who]
    random = "dropout" in case  # masks differ between backends, not within one
    for a, b in zip(contestants[::2], contestants[1::2], strict=True):
        compare(a, b)
    if not random:
        for other in contestants[1:]:
            compare(contestants[0], other)
    for _ in range(rounds + 1):
        for each in contestants:
            each.round()
    found = {c.name: c.close() for c in contestants}
    fastest = min(ms for name, ms in found.items() if name.startswith("keras"))
    rows = []
    for name, ms in found.items():
        here = found[name.replace("refrain", "keras")]
        ratios = (f"{here / ms:.2f}", f"{fastest / ms:.2f}")
        rows.append(
            (case, name, f"{ms:.1f}", *(ratios if "refrain" in name else ("", "")))
        )
    return rows


def compare(a: Contestant, b: Contestant) -> None:
    for left, right in zip(a.losses, b.losses, strict=True):
        if abs(left - right) > 2e-3 * max(1.0, abs(right)):
            raise SystemExit(f"{a.name} {a.losses} differs from {b.name} {b.losses}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--worker", nargs=2)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--backends", default="jax,tensorflow,torch")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(*arguments.worker)
        return
    wanted = arguments.backends.split(",")
    backends = [b for b in wanted if importlib.util.find_spec(b)]
    print(machine())
    rows = []
    for case in arguments.cases.split(","):
        rows += match(case, backends, arguments.rounds)
        print(*rows[-2 * len(backends) :], sep="\n", file=sys.stderr, flush=True)
    head = ("case", "who", "ms a step", "times Keras there", "times the fastest Keras")
    print(table(head, rows))


if __name__ == "__main__":
    main()
