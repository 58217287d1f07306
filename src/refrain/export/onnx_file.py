"""Writes a model to an ONNX file, once ONNX Runtime computes what the model does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from refrain.errors import ExportError
from refrain.export.network import LENGTHS, Exported, write_network
from refrain.export.session import run
from refrain.files import write_bytes
from refrain.network.live import network_of
from refrain.network.records import Network

_SIZES = ((1, 1), (2, 5), (3, 16))  # batch, steps
_TOLERANCE = 1e-4
Feed = dict[str, Any]  # arrays by the names of inputs


def write_onnx(model: Any, file: Path, streaming: bool, lengths: bool) -> Path:
    """Write a Keras model as an ONNX file; see `refrain.export.onnx`."""
    if file.suffix != ".onnx":
        raise ExportError(f"{file}: expected a file named *.onnx")
    network = network_of(model)
    exported = write_network(network, streaming, lengths)
    check(network, exported, lambda feed: _predicted(model, feed), lengths)
    data = exported.model.SerializeToString()
    write_bytes(file, data)
    return file


def check(
    network: Network,
    exported: Exported,
    meant: Callable[[Feed], Sequence[np.ndarray]],
    lengths: bool,
) -> None:
    """Compare the export with the model on random inputs.

    Args:
        network: what was exported.
        exported: to what.
        meant: what the model computes from inputs by name.
        lengths: the export has them as an input.

    Raises:
        ExportError: they differ.
    """
    rng = np.random.default_rng(0)
    feeds = [_random_inputs(network, *size, rng) for size in _SIZES]
    given = [feed | _beside(exported, feed, lengths) for feed in feeds]
    for feed, found in zip(feeds, run(exported.model, *given), strict=True):
        for expected, result in zip(meant(feed), found.values(), strict=False):
            scale = np.maximum(1.0, np.abs(expected))
            same = expected.shape == result.shape
            error = np.max(np.abs(expected - result) / scale) if same else np.inf
            if not error <= _TOLERANCE:
                raise ExportError(
                    f"{network.name}: ONNX Runtime is off by {error:.1e} from the "
                    f"model, for inputs of shapes "
                    f"{', '.join(str(v.shape) for v in feed.values())}"
                )


def _random_inputs(network: Network, batch: int, steps: int, rng: Any) -> Feed:
    feed: Feed = {}
    for entry in network.entries:
        shape = (batch, *(steps if n is None else n for n in entry.shape))
        made: Any = rng.normal(size=shape).astype(np.float32)
        if entry.vocabulary is not None:
            made = rng.integers(0, entry.vocabulary, shape, np.int32)
        feed[entry.name] = made
    return feed


def _beside(exported: Exported, feed: Feed, lengths: bool) -> Feed:
    """States of zeros; lengths with which all steps count, as they do without."""
    first = next(iter(feed.values()))
    batch = len(first)
    states = exported.states.items()
    given: Feed = {n: np.zeros((batch, size), np.float32) for n, size in states}
    if lengths:
        given[LENGTHS] = np.full(batch, first.shape[1], np.int32)
    return given


def _predicted(model: Any, feed: Feed) -> list[np.ndarray]:
    named = isinstance(getattr(model, "_inputs_struct", None), dict)
    values: Any = feed if named else list(feed.values())
    found = model.predict(values if len(feed) > 1 or named else values[0], verbose=0)
    if isinstance(found, dict):
        found = list(found.values())
    return [np.asarray(f) for f in (found if isinstance(found, list) else [found])]
