"""The arrays of a `.keras` file, by the layers that they belong to."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np

from refrain.errors import ExportError

LARGEST = 1 << 31  # bytes of all arrays


class Weights:
    """The arrays of a file, by the names of layers."""

    def __init__(self, file: h5py.File):
        self._left = LARGEST
        self._groups = {}
        layers = _inside(file, "layers")
        for key in layers:
            group = _inside(layers, key)
            name = _inside(group, "vars").attrs.get("name")
            self._groups[name if isinstance(name, str) else key] = group

    def __contains__(self, layer: str) -> bool:
        return layer in self._groups

    def of(self, layer: str, *parts: str) -> list[np.ndarray]:
        """The variables of a layer, or of a part inside of it, in Keras's order."""
        group = self._groups[layer]
        for part in (*parts, "vars"):
            group = _inside(group, part)
        return [self._read(group, str(k)) for k in range(len(group))]

    def _read(self, group: h5py.Group, key: str) -> np.ndarray:
        found = _inside(group, key)
        if not isinstance(found, h5py.Dataset) or found.is_virtual or found.external:
            raise ExportError(f"{found.name}: expected an array inside of the file")
        if found.dtype.kind != "f":
            raise ExportError(
                f"{found.name}: expected real numbers, {found.dtype} came"
            )
        self._left -= math.prod(found.shape) * max(found.dtype.itemsize, 4)
        if self._left < 0:
            raise ExportError(f"expected arrays of {LARGEST:,} bytes at most")
        return np.asarray(found[()], np.float32)


def _inside(group: h5py.Group, key: str) -> Any:
    """A member of a group; links that lead elsewhere are refused."""
    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
        raise ExportError(f"{group.name}: {key} is missing, or lies outside of it")
    return group[key]
