"""Where a training stands, on disk: enough to go on as if it had not been cut off.

One file, a zip of plain arrays, replaced whole after each epoch. Early stopping needs
no state of its own: the losses so far tell the best epoch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from refrain.errors import RefrainError
from refrain.files import read_arrays, write_arrays

FORMAT = "refrain training 1"
LARGEST = 1 << 34  # bytes of all arrays


@dataclass
class State:
    """What training has found so far.

    Attributes:
        logs: losses and metrics of each epoch, by Keras's names.
        seconds: time of each epoch.
        best: weights of the best epoch.
    """

    logs: list[dict[str, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best: list[np.ndarray] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """Epochs done."""
        return len(self.logs)

    def losses(self, name: str = "val_loss") -> list[float]:
        """A loss or metric after each epoch."""
        return [log[name] for log in self.logs]

    @property
    def best_epoch(self) -> int:
        """The first of the lowest validation loss, from 1; 0 if none is finite."""
        losses = [x if math.isfinite(x) else math.inf for x in self.losses()]
        lowest = min(losses, default=math.inf)
        return losses.index(lowest) + 1 if lowest < math.inf else 0


def save(
    path: Path, model: keras.Model, state: State, identity: Mapping[str, Any]
) -> None:
    """Write the state of a compiled model and of its training.

    Args:
        path: the file; its folder exists.
        model: between two epochs.
        state: what training has found.
        identity: what the training is of, ready for JSON; `load` expects the same.
    """
    arrays = {f"variable {k}": a for k, a in enumerate(_arrays(variables(model)))}
    arrays |= {f"best {k}": a for k, a in enumerate(state.best)}
    about = {
        "format": FORMAT,
        "identity": dict(identity),
        "logs": state.logs,
        "seconds": state.seconds,
    }
    write_arrays(path, about, arrays)


def load(path: Path, model: keras.Model, identity: Mapping[str, Any]) -> State:
    """Put a compiled model where `save` left it.

    Raises:
        RefrainError: the file is damaged, or of another training; the message names
            what differs.
    """
    about, arrays = read_arrays(path, LARGEST)
    try:
        if about["format"] != FORMAT:
            raise RefrainError(
                f"{path}: expected {FORMAT}, received {about['format']!r}"
            )
        found = dict(about["identity"])
        state = State(list(about["logs"]), list(about["seconds"]))
        kept = [arrays[f"variable {k}"] for k in range(len(variables(model)))]
        if state.best_epoch:
            state.best = [arrays[f"best {k}"] for k in range(len(model.weights))]
    except (ValueError, LookupError, TypeError):
        raise RefrainError(
            f"{path}: expected a checkpoint of this network, received another one or "
            "a damaged one; delete it to train anew"
        ) from None
    for key, wanted in json.loads(json.dumps(dict(identity))).items():
        if found.get(key) != wanted:
            raise RefrainError(
                f"{path} is the checkpoint of another training: its {key} was "
                f"{_short(found.get(key))}, now it is {_short(wanted)}; delete it to "
                "train anew"
            )
    for variable, array in zip(variables(model), kept, strict=True):
        if tuple(variable.shape) != array.shape:
            raise RefrainError(f"{path}: {variable.path} does not fit the network")
        variable.assign(array)
    return state


def weights(model: keras.Model) -> list[np.ndarray]:
    """Copies of a model's weights, in Keras's order."""
    return _arrays(model.weights)


def variables(model: keras.Model) -> list[Any]:
    """All that training changes: weights, states of dropout, the optimiser's own."""
    return [*model.variables, *model.optimizer.variables]


def _arrays(found: Sequence[Any]) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(v.value)) for v in found]


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 20 else f"{text[:12]}…"
