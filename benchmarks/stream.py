"""One step of a network from Python, one thread, and its peers; one session or many.

Each gets its input as an array and leaves its output as one, states kept between steps.

    python benchmarks/stream.py
"""

from __future__ import annotations

import argparse
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import torch
from harness import machine, streaming_session, table

import refrain
from refrain.functions import sigmoid, tanh
from refrain.keras import layers

try:
    import openvino
except ImportError:  # then the table does without it
    openvino = None

STEPS = 2000  # in a round


@refrain.cell(state=("h", "c"), gates=("i", "f", "g", "o"))
def own(x, h_prev, c_prev, W, U, b):
    """The operations of an LSTM in a cell of one's own."""
    i = sigmoid(x @ W.i + h_prev @ U.i + b.i)
    f = sigmoid(x @ W.f + h_prev @ U.f + b.f)
    g = tanh(x @ W.g + h_prev @ U.g + b.g)
    o = sigmoid(x @ W.o + h_prev @ U.o + b.o)
    c = f * c_prev + i * g
    return o * tanh(c), c


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--units", default="32,128,512")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for kind in ("LSTM", "GRU"):
        for units in map(int, arguments.units.split(",")):
            rows += measured(kind, units, arguments.sessions, arguments.rounds)
    print(machine(), f"{arguments.sessions} session(s)", sep="\n")
    print(table(("layer", "units", "who", "µs a step", "times ours"), rows))


def measured(kind: str, units: int, count: int, rounds: int) -> list[tuple[str, ...]]:
    layer = getattr(layers, kind)(units, return_sequences=True)
    model = keras.Sequential([keras.Input((None, units)), layer])
    frames = np.random.default_rng(0).normal(size=(5, count, units)).astype("f4")
    sessions = None if count == 1 else count
    steppers = {
        "refrain": refrain.stream.open(model, sessions).step,
        **{
            f"refrain, {bits}": refrain.stream.open(model, sessions, bits).step
            for bits in ("bfloat16", "int8")
        },
        "ONNX Runtime": onnx_step(model, units, count),
        "torch cell": torch_step(model, kind, units, count),
    }
    if kind == "LSTM":
        mine = layers.RNN(own(units), return_sequences=True)
        copy = keras.Sequential([keras.Input((None, units)), mine])
        copy.set_weights(model.get_weights())
        steppers["refrain own cell"] = refrain.stream.open(copy, sessions).step
    if openvino is not None:
        steppers["OpenVINO"] = openvino_step(model, units, count)
    expected = model.predict(frames.swapaxes(0, 1), verbose=0).swapaxes(0, 1)
    if count == 1:
        frames = frames[:, 0]
    for who, step in steppers.items():
        found = np.stack([np.array(step(f)).reshape(count, units) for f in frames])
        allowed = 0.03 if "," in who else 1e-5  # fewer bits, or exact
        if not np.abs(found - expected).max() < allowed:
            raise SystemExit(f"{who} differs")
    times: dict[str, list[float]] = {who: [] for who in steppers}
    frame = frames[0]
    for _ in range(rounds):
        for who, step in steppers.items():
            steps = max(50, STEPS // count)
            seconds = timeit.timeit(lambda step=step: step(frame), number=steps)
            times[who].append(seconds / steps * 1e6)
    median = {who: float(np.median(t)) for who, t in times.items()}
    ours = median["refrain"]
    return [
        (kind, str(units), who, f"{m:.1f}", f"{m / ours:.1f}")
        for who, m in median.items()
    ]


def onnx_step(model, units: int, count: int) -> Callable:
    """ONNX Runtime with inputs and outputs bound once."""
    session = streaming_session(model)
    x = np.zeros((count, 1, units), np.float32)
    states = [np.zeros((count, units), np.float32) for _ in session.get_inputs()[1:]]
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(a) for a in (x, *states)]
    y = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros_like(x))
    binding = session.io_binding()
    for node, value in zip(session.get_inputs(), values, strict=True):
        binding.bind_ortvalue_input(node.name, value)
    outputs = session.get_outputs()
    binding.bind_ortvalue_output(outputs[0].name, y)
    for node, value in zip(outputs[1:], values[1:], strict=True):
        binding.bind_ortvalue_output(node.name, value)  # over the old state

    def step(frame: np.ndarray) -> np.ndarray:
        values[0].update_inplace(frame.reshape(x.shape))
        session.run_with_iobinding(binding)
        return y.numpy()

    return step


def openvino_step(model, units: int, count: int) -> Callable:
    """OpenVINO on shared inputs; it has no way to write over its states."""
    core = openvino.Core()
    with tempfile.TemporaryDirectory() as folder:
        file = refrain.export.onnx(model, Path(folder) / "m.onnx", streaming=True)
        read = core.read_model(file)
        inputs = [np.zeros((count, 1, units), np.float32)]
        inputs += [np.zeros((count, units), np.float32) for _ in read.inputs[1:]]
        names = [entry.any_name for entry in read.inputs]
        read.reshape({n: list(a.shape) for n, a in zip(names, inputs, strict=True)})
        one = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": 1}
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        request = core.compile_model(read, "CPU", one | exact).create_infer_request()
    for k, array in enumerate(inputs):
        request.set_input_tensor(k, openvino.Tensor(array, shared_memory=True))

    def step(frame: np.ndarray) -> np.ndarray:
        inputs[0][:] = frame.reshape(inputs[0].shape)
        request.infer()
        for k, array in enumerate(inputs[1:], start=1):
            array[:] = request.get_output_tensor(k).data
        return request.get_output_tensor(0).data

    return step


def torch_step(model, kind: str, units: int, count: int) -> Callable:
    module = refrain.convert.to_torch(model)
    cell = getattr(torch.nn, f"{kind}Cell")(units, units)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    with torch.no_grad():
        for name in names:
            getattr(cell, name).copy_(getattr(module, f"{name}_l0"))
    state = [torch.zeros(count, units), torch.zeros(count, units)]

    @torch.inference_mode()
    def step(frame: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(frame).reshape(count, units)
        if kind == "LSTM":
            state[:] = cell(x, tuple(state))
        else:
            state[0] = cell(x, state[0])
        return state[0].numpy()

    return step


if __name__ == "__main__":
    main()
