"""A network as native code with a C header, for this machine or for another one."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from refrain.emit.llvm.storage import FLOAT32, STORAGES
from refrain.emit.llvm.targets import HOST, find_target
from refrain.emit.llvm.vectors import Target
from refrain.errors import ExportError
from refrain.export.header import Interface, header
from refrain.export.linker import check_kind, link
from refrain.files import write_bytes
from refrain.graph.evaluate import run
from refrain.plan.task import Task
from refrain.runtime.standalone import Arrays, compile_step

_TOLERANCE, _ROUNDING = 1e-5, 10  # relative; times what rounding alone may do
_CHECKED, _COMPARED = 20, 100  # steps


@dataclass(frozen=True)
class Form:
    """How a step is written.

    Attributes:
        target: the processor, by name.
        weights: how matrices are stored, one of `STORAGES`.
        separate: the weights lie in a file of their own.
    """

    target: str = HOST
    weights: str = FLOAT32
    separate: bool = False


@dataclass(frozen=True)
class Written:
    """What `refrain.export.native` made.

    Attributes:
        files: the code, its header, and the weights if they are separate.
        lost: the most that weights in fewer bits changed an output by, over 100 random
            frames, as a part of the largest output; 0.0 for float32.
    """

    files: tuple[Path, ...]
    lost: float


def write_native(
    task: Task,
    variables: Arrays,
    path: Path,
    form: Form,
    source: str,
    table: np.ndarray | None = None,
) -> Written:
    """Write a step as native code, its header, and its weights if they are apart.

    Args:
        task: the step.
        variables: the numbers of each variable.
        path: `*.o`, `*.so` or `*.wasm`.
        form: how it is written.
        source: what is exported, in words.
        table: the vectors of words, where whole numbers enter.
    """
    if form.weights not in STORAGES:
        raise ExportError(
            f"weights: expected {', '.join(STORAGES)}, received {form.weights!r}"
        )
    name = _identifier(path)
    chosen = replace(find_target(form.target), weights=form.weights)
    check_kind(path, form.target, chosen.triple == Target.host("float32").triple)
    lost = check_numbers(name, task, variables, chosen, table)
    made = compile_step(name, task, variables, chosen, not form.separate, table=table)
    functions = [f"{name}_{f}" for f in ("init", "reset", "step", "run")]
    content = {path: link(made.code, path, functions)}
    text = header(Interface.of(made, source, form.target, form.weights))
    content[path.with_suffix(".h")] = text.encode()
    if form.separate:
        content[path.with_suffix(".weights")] = made.weights.numbers.tobytes()
    for file, data in content.items():
        write_bytes(file, data)
    return Written(tuple(content), lost)


def check_numbers(
    name: str,
    task: Task,
    variables: Arrays,
    target: Target,
    table: np.ndarray | None = None,
) -> float:
    """Run code for this machine, with the target's vectors, against the interpreter.

    Returns:
        What weights in fewer bits lose, as `Written` tells it.

    Raises:
        ExportError: it computes other numbers.
    """
    here = replace(Target.host(target.dtype), width=target.width)
    made = compile_step(name, task, variables, here, table=table)
    rng = np.random.default_rng(0)
    if table is None:
        x = meant = rng.normal(size=(_COMPARED, made.features))
    else:
        x = rng.choice(np.flatnonzero(~np.isnan(table).any(axis=1)), _COMPARED)
        meant = table[x]
    found = made.run(x, here)
    expected = interpreted(task, variables, meant[:_CHECKED])
    scale = np.maximum(1.0, np.abs(expected))
    # Where a network is chaotic, rounding grows from step to step.
    rounded = interpreted(task, variables, meant[:_CHECKED], np.float32)
    allowed = max(_TOLERANCE, _ROUNDING * (np.abs(rounded - expected) / scale).max())
    error = (np.abs(found[:_CHECKED] - expected) / scale).max()
    if not error <= allowed:
        raise ExportError(
            f"{name}: native code is off by {error:.1e} from the equations"
        )
    if target.weights == FLOAT32:
        return 0.0
    here = replace(here, weights=target.weights)
    other = compile_step(name, task, variables, here, table=table).run(x, here)
    return float(np.abs(other - found).max() / (np.abs(found).max() or 1.0))


def interpreted(
    task: Task,
    variables: Arrays,
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


def _leaf(part, variables: Arrays) -> np.ndarray:
    flat = np.asarray(variables[part.variable], np.float64).ravel()[part.offset :]
    if len(part.shape) < 2:
        return flat[: part.shape[0] if part.shape else 1].reshape(part.shape)
    rows, columns = part.shape
    flat = np.pad(flat, (0, part.stride))  # the last row may end before its stride
    return np.lib.stride_tricks.as_strided(
        flat, (rows, columns), (part.stride * 8, 8), writeable=False
    )


def _identifier(path: Path) -> str:
    """What functions are called after: the file's name, if C allows it."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", path.stem):
        raise ExportError(
            f"{path}: functions are called after the file, and {path.stem!r} is no "
            "name in C; use letters, digits and _"
        )
    return path.stem
