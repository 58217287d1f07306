"""One layer's training step, forward and backward: ours against torch.nn.

Both get the same tensors and weights, and must agree before anything is timed. The
layer is called bare, without a model round it.

    python benchmarks/layer.py
    python benchmarks/layer.py --cases 128x64x32x200,512x512x64x50
"""

from __future__ import annotations

import argparse
import os

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import torch
from harness import in_turn, machine, table

from refrain.keras import layers

# torch's gates in Keras's order: i f g o, r z n, and one part.
ORDER = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "SimpleRNN": (0,)}
TORCH = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "SimpleRNN": torch.nn.RNN}
# units x features x batch x steps
SHAPES = ("128x64x32x200", "50x1x32x10", "256x256x128x50", "512x512x64x50")


def pair(kind: str, units: int, features: int, steps: int):
    """Our layer and torch's, with the same weights."""
    ours = getattr(layers, kind)(units, return_sequences=True)
    ours.build((None, steps, features))
    theirs = TORCH[kind](features, units, batch_first=True)
    rng = np.random.default_rng(0)
    parts = len(ORDER[kind])
    kernel = rng.normal(size=(features, parts * units), scale=features**-0.5)
    recurrent = rng.normal(size=(units, parts * units), scale=units**-0.5)
    bias = rng.normal(size=(2, parts * units), scale=0.1)
    # An LSTM of Keras has one bias, which is the sum of torch's two.
    ours.set_weights([kernel, recurrent, bias if kind == "GRU" else bias.sum(0)])

    def theirs_of(packed: np.ndarray) -> torch.Tensor:
        gates = np.split(packed, parts, axis=-1)
        ordered = np.concatenate([gates[k] for k in ORDER[kind]], axis=-1)
        return torch.tensor(ordered.T.astype("float32"))

    with torch.no_grad():
        theirs.weight_ih_l0.copy_(theirs_of(kernel))
        theirs.weight_hh_l0.copy_(theirs_of(recurrent))
        theirs.bias_ih_l0.copy_(theirs_of(bias[0]))
        theirs.bias_hh_l0.copy_(theirs_of(bias[1]))
    return ours, theirs


def match(kind: str, shape: str, rounds: int) -> list[tuple]:
    units, features, batch, steps = map(int, shape.split("x"))
    ours, theirs = pair(kind, units, features, steps)
    x = torch.randn(batch, steps, features)
    grad = torch.randn(batch, steps, units)

    def run(layer, of_output=lambda y: y):
        def step() -> tuple[torch.Tensor, torch.Tensor]:
            inputs = x.clone().requires_grad_()
            y = of_output(layer(inputs))
            y.backward(grad)
            return y, inputs.grad

        return step

    contestants = {"refrain": run(ours), "torch.nn": run(theirs, lambda y: y[0])}
    for mine, its in zip(*(step() for step in contestants.values()), strict=True):
        error = (mine - its).abs().max() / its.abs().max()
        if not error < 1e-4:
            raise SystemExit(f"{kind} {shape}: differs by {error:.1e}")
    found = in_turn(contestants, rounds)
    ratio = found["torch.nn"] / found["refrain"]
    times = [f"{1e3 * found[name]:.2f}" for name in contestants]
    return [(kind, shape, *times, f"{ratio:.2f}")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", default=",".join(SHAPES))
    parser.add_argument("--layers", default="LSTM,GRU,SimpleRNN")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    rows = []
    for kind in arguments.layers.split(","):
        for shape in arguments.cases.split(","):
            rows += match(kind, shape, arguments.rounds)
    print(machine())
    head = ("layer", "units x features x batch x steps", "ours ms", "torch.nn ms")
    print(table((*head, "times"), rows))


if __name__ == "__main__":
    main()
