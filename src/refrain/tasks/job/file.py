"""The one file of a trained job: options, preprocessing and network.

A zip with `about.json` and plain arrays. The network is the text of its layers, in
which a cell is its equations, and its weights. Nothing in it is code, and only layers
of Keras and refrain are made from it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from refrain import layers  # noqa: F401  registers the layers that a file names
from refrain.errors import RefrainError
from refrain.files import read_about, read_arrays, write_arrays
from refrain.study.versions import versions

FORMAT = "refrain job 1"
LARGEST = 1 << 33  # bytes of all arrays
_PACKAGES = ("keras", "refrain", "builtins")


@dataclass(frozen=True)
class Trained:
    """A trained job, as its file holds it.

    Attributes:
        kind: which job it is, e.g. "text classifier".
        options: all of its options by name.
        state: what else the job needs to run and to tell of itself, as JSON holds it:
            preprocessing, classes, figures of the training.
        network: the trained network.
        arrays: further arrays of the job.
        versions: of what it was trained with.
    """

    kind: str
    options: Mapping[str, Any]
    state: Mapping[str, Any]
    network: keras.Model
    arrays: Mapping[str, np.ndarray]
    versions: Mapping[str, str]


def save(
    path: Path,
    kind: str,
    options: Mapping[str, Any],
    state: Mapping[str, Any],
    network: keras.Model,
    arrays: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a trained job, whole or not at all; see `Trained` for the arguments."""
    about = {
        "format": FORMAT,
        "kind": kind,
        "options": dict(options),
        "state": dict(state),
        "network": json.loads(network.to_json()),
        "versions": versions(),
    }
    kept = {
        f"weight {k}": np.asarray(keras.ops.convert_to_numpy(weight.value))
        for k, weight in enumerate(network.weights)
    }
    write_arrays(path, about, {**kept, **(arrays or {})})


def kind_of(path: Path) -> str:
    """Which job a file holds; see `load`."""
    return _checked(path, read_about(path, LARGEST))["kind"]


def load(path: Path, kind: str) -> Trained:
    """Read what `save` wrote.

    Raises:
        RefrainError: the file is missing, damaged, or of another kind of job.
    """
    about, arrays = read_arrays(path, LARGEST)
    _checked(path, about)
    if about["kind"] != kind:
        raise RefrainError(f"{path}: expected a {kind}, received a {about['kind']}")
    try:
        network = _network(about["network"])
        given = [arrays.pop(f"weight {k}") for k in range(len(network.weights))]
        network.set_weights(given)
        return Trained(
            kind,
            dict(about["options"]),
            dict(about["state"]),
            network,
            arrays,
            dict(about["versions"]),
        )
    except Exception:  # of any type: whatever lies in the file
        raise _damaged(path) from None


@contextlib.contextmanager
def reading(path: Path, kind: str) -> Iterator[Trained]:
    """What `load` reads, for code that takes it apart: parts that do not fit are told.

    Raises:
        RefrainError: as `load`, or the code inside found something that it did not
            expect.
    """
    found = load(path, kind)
    try:
        yield found
    except Exception:  # of any type: whatever lies in the file
        raise _damaged(path) from None


def _checked(path: Path, about: Any) -> dict[str, Any]:
    if not (isinstance(about, dict) and isinstance(about.get("kind"), str)):
        raise _damaged(path)
    if about.get("format") != FORMAT:
        raise RefrainError(
            f"{path}: expected {FORMAT}, received {about.get('format')!r}"
        )
    return about


def _network(config: Any) -> keras.Model:
    for module in _modules(config):
        if module.split(".")[0] not in _PACKAGES:
            raise ValueError(module)
    network = keras.saving.deserialize_keras_object(config, safe_mode=True)
    if not isinstance(network, keras.Model):
        raise TypeError(network)
    return network


def _modules(config: Any) -> Iterator[str]:
    """The modules of all classes that a configuration names."""
    if isinstance(config, dict):
        if isinstance(config.get("module"), str):
            yield config["module"]
        config = list(config.values())
    if isinstance(config, list):
        for inner in config:
            yield from _modules(inner)


def _damaged(path: Path) -> RefrainError:
    return RefrainError(
        f"{path}: expected a model that `refrain train` wrote, received something else "
        "or a damaged one"
    )
