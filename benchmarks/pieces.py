"""A hundred steps at once, batch 1, states kept: a stream's `run` and its peers.

python benchmarks/pieces.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import keras
import numpy as np
import torch
from harness import in_turn, machine, streaming_session, table

import refrain
from refrain.keras import layers

CALLS = 50  # in a round


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", default="32,128")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for kind in ("LSTM", "GRU"):
        for units in map(int, arguments.units.split(",")):
            rows += measured(kind, units, arguments.steps, arguments.rounds)
    print(machine(), f"{arguments.steps} steps", sep="\n")
    print(table(("layer", "units", "who", "µs a piece", "times ours"), rows))


def measured(kind: str, units: int, steps: int, rounds: int) -> list[tuple[str, ...]]:
    layer = getattr(layers, kind)(units, return_sequences=True)
    model = keras.Sequential([keras.Input((None, units)), layer])
    x = np.random.default_rng(0).normal(size=(2, steps, units)).astype("float32")
    runs = {
        "refrain": refrain.stream.open(model).run,
        "ONNX Runtime": onnx_run(model, units),
        "torch": torch_run(model),
    }
    expected = model.predict(x.reshape(1, -1, units), verbose=0)[0]
    for who, run in runs.items():
        found = np.concatenate([run(piece) for piece in x])
        if not np.abs(found - expected).max() < 1e-5:
            raise SystemExit(f"{who} differs")

    def often(run: Callable) -> Callable[[], None]:
        def calls() -> None:
            for _ in range(CALLS):
                run(x[0])

        return calls

    median = in_turn({who: often(run) for who, run in runs.items()}, rounds)
    micro = {who: 1e6 * seconds / CALLS for who, seconds in median.items()}
    ours = micro["refrain"]
    return [
        (kind, str(units), who, f"{m:.1f}", f"{m / ours:.1f}")
        for who, m in micro.items()
    ]


def onnx_run(model, units: int) -> Callable:
    session = streaming_session(model)
    entry, *names = (node.name for node in session.get_inputs())
    states = [np.zeros((1, units), np.float32) for _ in names]

    def run(piece: np.ndarray) -> np.ndarray:
        given = {entry: piece[None], **dict(zip(names, states, strict=True))}
        y, *states[:] = session.run(None, given)
        return y[0]

    return run


def torch_run(model) -> Callable:
    module = refrain.convert.to_torch(model)
    state: list = [None]

    @torch.inference_mode()
    def run(piece: np.ndarray) -> np.ndarray:
        y, state[0] = module(torch.from_numpy(piece[None]), state[0])
        return y[0].numpy()

    return run


if __name__ == "__main__":
    main()
