"""What a network costs, whatever its weights are: size, work, memory, latency."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from refrain import stream
from refrain.cells.cost import number, products
from refrain.compare.contest import Contest
from refrain.compare.record import Cost, Latency
from refrain.errors import StreamError
from refrain.layers.details import recurrent_layers
from refrain.layers.equations import equations_of
from refrain.layers.paths import KERNEL, choose_path
from refrain.runtime.driver import Request, kernel_for
from refrain.runtime.processors import rows_a_thread
from refrain.study.candidates import Candidate

STREAM_STEPS, WINDOW_CALLS, WARM_UP = 5000, 200, 20
FLOAT_BYTES = 4
COPIES = 4  # of every weight: itself, its gradient, and Adam's two moments


def measure(
    contest: Contest, candidate: Candidate, units: int, batch_size: int
) -> Cost:
    """Build a candidate's network and measure it.

    Args:
        contest: the network's task, and a sequence to run it on.
        candidate: the network.
        units: of the recurrent layer, a direction.
        batch_size: of a step of training, for the memory that it takes.
    """
    model = contest.build(candidate, units)
    (_, layer), *_ = recurrent_layers(model, whole=True)
    features = _features(layer)
    sizes = {"features": features, **dict.fromkeys(candidate.cell.sizes, units)}
    work = number(products(candidate.cell.graph()), sizes)
    return Cost(
        parameters=model.count_params(),
        gates=candidate.gates,
        directions=candidate.directions,
        multiply_adds=candidate.directions * work,
        memory_bytes=training_memory(model, contest.example, batch_size),
        latency=latency(model, contest.example),
        path=layer.explain(),
    )


def training_memory(
    model: keras.Model, example: np.ndarray, batch_size: int
) -> int | None:
    """Bytes that a step of training needs, computed from the plans of its kernels.

    Counts every weight four times (gradient, Adam's two moments), one batch of inputs,
    and all that the kernels read and write of it: states, what is saved for the
    backward pass, and the gradients on their way. What the array library keeps beside
    that is not counted.

    Returns:
        None where a layer runs as a scan, whose memory no plan tells.
    """
    total = COPIES * FLOAT_BYTES * model.count_params()
    total += batch_size * example[0].size * FLOAT_BYTES
    for _, whole in recurrent_layers(model, whole=True):
        for _, layer in recurrent_layers(whole) if _both(whole) else [("", whole)]:
            sized = equations_of(layer.cell)
            if choose_path(sized, layer.compute_dtype, layer.unroll)[0] != KERNEL:
                return None
            request = Request(
                sized,
                _features(whole),
                training=True,
                sequence=layer.return_sequences,
                against_time=layer.go_backwards,
                rows=rows_a_thread(batch_size),
            )
            total += _buffers(request, batch_size, example.shape[1]) * FLOAT_BYTES
    return total


def _features(layer: Any) -> int:
    """Size of a layer's input, which may have a mask beside it."""
    return keras.tree.flatten(layer.input)[0].shape[-1]


def _both(layer: Any) -> bool:
    return isinstance(layer, keras.layers.Bidirectional)


def _buffers(request: Request, batch_size: int, timesteps: int) -> int:
    """Numbers in the buffers of a kernel's programs, weights aside."""
    kernel = kernel_for(request)
    sizes: dict[str, int] = {}
    for native in filter(None, (kernel.forward, kernel.backward)):
        for buffer in native.program.buffers:
            shape = buffer.shape(batch_size, timesteps)
            if len(shape) > 1 and buffer.name != "x":
                sizes[buffer.over or buffer.name] = int(np.prod(shape))
    return sum(sizes.values())


def latency(model: keras.Model, example: np.ndarray) -> Latency:
    """Time from a frame to its answer, for one sequence at a time.

    Args:
        model: the network.
        example: a sequence `(1, timesteps, features)`, or `(1, timesteps)` numbers of
            words.
    """
    try:
        opened = stream.open(model)
    except StreamError:
        call: Any = model.predict_on_batch
        return _percentiles(lambda _: call(example), WINDOW_CALLS, "window")
    frames = list(example[0])
    return _percentiles(
        lambda k: opened.step(frames[k % len(frames)]), STREAM_STEPS, "stream"
    )


def _percentiles(step: Callable[[int], object], count: int, way: str) -> Latency:
    taken = np.empty(count)
    for k in range(-WARM_UP, count):
        start = time.perf_counter_ns()
        step(max(k, 0))
        taken[k] = time.perf_counter_ns() - start  # the first ones are overwritten
    p50, p99 = np.percentile(taken, (50, 99)) / 1e3
    return Latency(float(p50), float(p99), way)
