"""What all benchmarks share: rounds in turn, medians, and a line about the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PAUSE_S = 0.1


def in_turn(
    candidates: Mapping[str, Callable[[], object]], rounds: int = 15, warmup: int = 2
) -> dict[str, float]:
    """Median seconds of each, run A B C A B C, so that drift hits all alike.

    Threads of BLAS, OpenMP and the like spin for a while after their work and would
    take a processor from whoever comes next: each candidate waits until they sleep,
    and runs once before it is timed.
    """
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(warmup + rounds):
        for name, run in candidates.items():
            time.sleep(PAUSE_S)
            run()
            start = time.perf_counter()
            run()
            if number >= warmup:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def streaming_session(model: Any) -> Any:
    """ONNX Runtime with a Keras model that keeps its states outside, on one thread."""
    import onnxruntime

    from refrain.export import onnx

    with tempfile.TemporaryDirectory() as folder:
        file = onnx(model, Path(folder) / "m.onnx", streaming=True)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        return onnxruntime.InferenceSession(
            str(file), options, providers=["CPUExecutionProvider"]
        )


def machine() -> str:
    """Processor, cores and versions, for the head of a table of results."""
    names = ("keras", "jax", "torch", "tensorflow", "llvmlite", "numpy", "onnxruntime")
    versions = []
    for name in names:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    import llvmlite.binding as llvm

    cpu = llvm.get_host_cpu_name()
    return (
        f"{time.strftime('%Y-%m-%d')}, {cpu}, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}, {', '.join(versions)}"
    )


def table(head: tuple[str, ...], rows: list[tuple]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines)
