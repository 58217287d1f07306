"""What the `call` of a Keras cell can see, as a list to be compared with a later one.

A cell is read again when its sight has changed: attributes, also of layers and objects
in it, its class, and what its functions take from around them. Without that, each call
of a layer would read its cell anew where nothing is compiled, as on torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import keras
import numpy as np

_PLAIN = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), slice)
_ARRAYS = {"numpy", "jax", "jaxlib", "torch", "tensorflow"}
_LIBRARIES = {"keras", "refrain", *_ARRAYS, *sys.stdlib_module_names}
_READINGS = "_refrain_readings"


class _Unseen(Exception):  # noqa: N818
    """Something whose changes cannot be noticed."""


class _Same:
    """Equal to the same object alone, which lives on meanwhile."""

    def __init__(self, of: Any):
        self.of = of

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.of is other.of

    __hash__ = None  # pyright: ignore[reportAssignmentType]


def remembered(cell: Any, key: Any, read: Callable[[], Any]) -> Any:
    """What `read` returns, or returned for this key when the cell's sight was the same.

    Args:
        cell: a Keras layer, which keeps it.
        key: whatever else it depends on.
        read: reads the cell.
    """
    if not isinstance(cell, keras.Layer):
        return read()
    try:
        sight = _Sight().of(cell)
    except _Unseen:
        return read()
    own: dict[str, Any] = cell.__dict__
    kept = own.setdefault(_READINGS, {})
    if key not in kept or kept[key][0] != sight:
        kept[key] = sight, read()
    return kept[key][1]


class _Sight:
    """Collects what a cell can see."""

    def __init__(self) -> None:
        self._found: list[Any] = []
        self._visited: set[int] = set()

    def of(self, cell: Any) -> list[Any]:
        """The list for a cell.

        Raises:
            _Unseen: it sees a thing that may change without a trace.
        """
        self._see(cell)
        return self._found

    def _see(self, value: Any) -> None:
        if isinstance(value, _PLAIN):
            self._found.append((type(value), value))
            return
        self._found.append(_Same(value))
        if id(value) in self._visited:
            return
        self._visited.add(id(value))
        if isinstance(value, np.ndarray):
            self._found.append((value.dtype, value.shape, value.tobytes()))
        elif isinstance(value, dict):
            self._each(part for item in value.items() for part in item)
        elif isinstance(value, (list, tuple, set, frozenset)):
            self._each(value)
        elif isinstance(value, keras.Layer):
            own = [pair for pair in vars(value).items() if pair[0] not in _accounts()]
            self._each((value.compute_dtype, value.trainable, type(value)))
            self._each(part for pair in own for part in pair)
        elif not isinstance(value, (ModuleType, keras.Variable, np.generic)):
            self._object(value)

    def _each(self, values: Iterable[Any]) -> None:
        values = list(values)
        self._found.append(len(values))
        for value in values:
            self._see(value)

    def _object(self, value: Any) -> None:
        """A function, a class, or an object of a class."""
        if isinstance(value, MethodType):
            self._each((value.__func__, value.__self__))
        elif isinstance(value, (staticmethod, classmethod)):
            self._see(value.__func__)
        elif isinstance(value, property):
            self._see(value.fget)
        elif isinstance(value, partial):
            self._each((value.func, value.args, value.keywords))
        elif isinstance(value, FunctionType):
            if _library(value) is None:
                self._function(value)
        elif isinstance(value, type):
            if _library(value) is None:
                names = [n for n in vars(value) if not n.startswith(("__", "_abc_"))]
                self._each((*value.__bases__, *(vars(value)[n] for n in names)))
        else:
            self._instance(value)

    def _instance(self, value: Any) -> None:
        library = _library(type(value))
        if library is None and hasattr(value, "__dict__"):
            self._each((type(value), vars(value)))
        # Of Keras, initialisers and the like; of others, functions and descriptors.
        # What is left draws numbers, or holds them.
        elif library not in ("keras", "refrain") and not (
            library and (callable(value) or hasattr(value, "__get__"))
        ):
            raise _Unseen

    def _function(self, function: FunctionType) -> None:
        try:
            inside = [cell.cell_contents for cell in function.__closure__ or ()]
        except ValueError:  # of a name that has no value yet
            raise _Unseen from None
        around, names = function.__globals__, function.__code__.co_names
        taken = [around[name] for name in names if name in around]
        for module in [m for m in taken if isinstance(m, ModuleType)]:
            if module.__name__.partition(".")[0] not in _LIBRARIES:
                taken += [vars(module)[name] for name in names if name in vars(module)]
        self._each((*inside, *taken, function.__defaults__, function.__kwdefaults__))


def _library(named: Any) -> str | None:
    """Which of the libraries a function or a class belongs to."""
    root = (named.__module__ or "").partition(".")[0]
    return root if root in _LIBRARIES else None


def _accounts() -> set[str]:
    """Names of attributes in which Keras keeps accounts of a layer."""
    if not _NAMES:
        layer: Any = keras.layers.Identity(name="any")
        layer.build(())
        # In this one, torch keeps the layers that are inside.
        _NAMES.update(vars(layer).keys() - {"_modules"}, [_READINGS])
    return _NAMES


_NAMES: set[str] = set()
