"""A network as native code with a C header, for this machine or for another one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from refrain.emit.llvm.targets import find_target
from refrain.emit.llvm.vectors import Target
from refrain.errors import ExportError
from refrain.export.header import Interface, header
from refrain.export.linker import check_kind, link
from refrain.files import write_bytes
from refrain.graph.evaluate import run
from refrain.plan.passes import Task
from refrain.runtime.standalone import Standalone, compile_step

INSIDE, SEPARATE = "inside", "separate"
_TOLERANCE, _ROUNDING = 1e-5, 10  # relative; times what rounding alone may do
_STEPS = 20


def write_native(
    task: Task,
    variables: Mapping[str, np.ndarray],
    path: Path,
    target: str,
    weights: str,
    source: str,
) -> list[Path]:
    """Write a step as native code, its header, and its weights if they are apart.

    Args:
        task: the step.
        variables: the numbers of each variable.
        path: `*.o`, `*.so` or `*.wasm`.
        target: the processor, by name.
        weights: `inside` the code, or `separate`.
        source: what is exported, in words.

    Returns:
        The files.
    """
    if weights not in (INSIDE, SEPARATE):
        raise ExportError(
            f"expected weights {INSIDE} or {SEPARATE}, received {weights!r}"
        )
    name = _identifier(path)
    chosen = find_target(target)
    check_kind(path, target, chosen.triple == Target.host("float32").triple)
    check_numbers(name, task, variables, chosen)
    made = compile_step(name, task, variables, chosen, weights == INSIDE)
    functions = [f"{name}_{f}" for f in ("init", "reset", "step", "run")]
    content = {path: link(made.code, path, functions)}
    content[path.with_suffix(".h")] = header(_interface(made, source, target)).encode()
    if weights == SEPARATE:
        content[path.with_suffix(".weights")] = made.weights.numbers.tobytes()
    for file, data in content.items():
        write_bytes(file, data)
    return list(content)


def check_numbers(
    name: str, task: Task, variables: Mapping[str, np.ndarray], target: Target
) -> None:
    """Run code for this machine, with the target's vectors, against the interpreter.

    Raises:
        ExportError: it computes other numbers.
    """
    here = Target.host(target.dtype)
    here = Target(
        target.dtype, target.width, here.registers, here.triple, here.cpu, here.features
    )
    made = compile_step(name, task, variables, here)
    x = np.random.default_rng(0).normal(size=(_STEPS, made.features))
    expected = interpreted(task, variables, x)
    scale = np.maximum(1.0, np.abs(expected))
    # Where a network is chaotic, rounding grows from step to step.
    rounded = interpreted(task, variables, x, np.float32)
    allowed = max(_TOLERANCE, _ROUNDING * (np.abs(rounded - expected) / scale).max())
    error = (np.abs(made.run(x, here) - expected) / scale).max()
    if not error <= allowed:
        raise ExportError(
            f"{name}: native code is off by {error:.1e} from the equations"
        )


def interpreted(
    task: Task,
    variables: Mapping[str, np.ndarray],
    x: np.ndarray,
    dtype: type = np.float64,
) -> np.ndarray:
    """Outputs `(timesteps, outputs)` by the interpreter."""
    leaves = {n: _leaf(part, variables).astype(dtype) for n, part in task.parts.items()}
    shapes = {s: task.graph.leaves[f"{s}_prev"].shape for s in task.states}
    states = {
        s: np.zeros((1, task.sizes[size]), dtype) for s, (size,) in shapes.items()
    }
    outputs, _ = run(task.graph, x[None].astype(dtype), states, leaves)
    return outputs[0]


def _leaf(part, variables: Mapping[str, np.ndarray]) -> np.ndarray:
    flat = np.asarray(variables[part.variable], np.float64).ravel()[part.offset :]
    if len(part.shape) < 2:
        return flat[: part.shape[0] if part.shape else 1].reshape(part.shape)
    rows, columns = part.shape
    flat = np.pad(flat, (0, part.stride))  # the last row may end before its stride
    return np.lib.stride_tricks.as_strided(
        flat, (rows, columns), (part.stride * 8, 8), writeable=False
    )


def _interface(made: Standalone, source: str, target: str) -> Interface:
    return Interface(
        made.name,
        source,
        target,
        made.features,
        made.outputs,
        made.memory.state,
        made.memory.size,
        None if made.weights.inside else made.weights.numbers.size,
    )


def _identifier(path: Path) -> str:
    """What functions are called after: the file's name, if C allows it."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", path.stem):
        raise ExportError(
            f"{path}: functions are called after the file, and {path.stem!r} is no "
            "name in C; use letters, digits and _"
        )
    return path.stem
