"""A cell as data: what a file keeps of it, so that it loads without its source.

A record is plain JSON: names, sizes, declarations, and the equations in the language
of `graph/show.py`. It may come from a file that nobody vouches for; nothing in it is
run, and what is not a sound cell is refused.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from refrain.cells.define import DEFINED, Cell, SizedCell
from refrain.cells.weights import Initializer, Weight
from refrain.errors import CellError
from refrain.graph.graph import OUTPUT, Graph
from refrain.graph.ops import OPS
from refrain.graph.parse import LARGEST, MOST_NODES, parse
from refrain.graph.show import labels, show

UNKNOWN = "unknown"  # stands for an initialiser that is a function, so no data
LARGEST_SIZE = 1 << 20
MOST_NUMBERS = 1 << 30  # in one variable, without what the input's size adds
_MOST_ENTRIES = 64  # states, gates, weights, options
_LONGEST_NAME = 64


def to_record(sized: SizedCell) -> dict[str, Any]:
    """A cell with its sizes as data that `from_record` reads.

    Raises:
        CellError: the equations are too long or too deep to be read again.
    """
    cell, options = sized.cell, sized.cell.resolve(sized.options)
    text, names = show(sized.graph), _names(sized.graph)
    parse(text, names)  # what could not be read again must not be written
    return {
        "name": cell.name,
        "sizes": dict(sized.sizes),
        "options": {name: _plain(value) for name, value in options.items()},
        "states": dict(cell.states),
        "gates": list(cell.gates),
        "output": cell.output,
        "weights": {
            name: {
                "variable": weight.variable,
                "shape": list(weight.shape),
                "gates": list(weight.gates),
                "initializer": _named(weight.initializer),
                "by_gate": {g: _named(by) for g, by in weight.by_gate.items()},
            }
            for name, weight in cell.weights.items()
            if cell.has(weight, options)
        },
        "equations": text,
        "names": names,
    }


def _names(graph: Graph) -> dict[str, str]:
    """What the source calls values, for people, by what the text calls them."""
    known = labels(graph)
    return {
        name: known[node]
        for name, node in graph.names.items()
        if node in known and node.op is not OPS["constant"]
        if name not in graph.leaves and len(name) <= _LONGEST_NAME
    }


def from_record(record: Any) -> SizedCell:
    """The cell of a record.

    It is the one that this process defines by that name, if that has the same
    equations and declarations; else it is made of the record alone.

    Raises:
        CellError: the record is none, or is not a sound cell; the message says where.
    """
    if isinstance(record, Mapping):
        record = {"names": {}, **record}  # which older files do not keep
    fields = _fields(record, _RECORD, "cell")
    name, sizes = fields["name"], fields.pop("sizes")
    for size, number in sizes.items():
        if not 1 <= number <= LARGEST_SIZE:
            raise CellError(
                f"{name}: expected {size} from 1 to {LARGEST_SIZE:,}, received "
                f"{_quoted(number)}"
            )
    if "units" not in sizes:
        raise CellError(f"{name}: expected the size units")
    for defined in DEFINED.get(name, ()):
        with contextlib.suppress(CellError):  # it is another cell of that name
            sized = defined(**{**fields["options"], **sizes})
            if {**to_record(sized), "names": record["names"]} == record:
                return sized
    cell = _cell_of(json.dumps(fields))
    sized = cell(**{size: sizes[size] for size in cell.sizes if size in sizes})
    for variable in sized.variables(features=1):
        if math.prod(variable.shape) > MOST_NUMBERS:
            raise CellError(
                f"{name}: {variable.name} would have the shape {variable.shape}; "
                f"expected {MOST_NUMBERS:,} numbers at most"
            )
    return sized


@lru_cache(maxsize=64)
def _cell_of(text: str) -> Cell:
    """One cell for equal records, so that one kernel serves them."""
    fields = json.loads(text)
    graph = parse(fields["equations"], fields.pop("names"))
    if graph.name != fields["name"]:
        raise CellError(
            f"expected the equations of {fields['name']}, received those of "
            f"{_quoted(graph.name)}"
        )
    weights = {
        name: Weight(**{**w, "shape": tuple(w["shape"]), "gates": tuple(w["gates"])})
        for name, w in fields["weights"].items()
    }
    cell = Cell(**{**fields, "weights": weights, "equations": graph})
    if "features" in {*cell.states.values(), *graph.results[OUTPUT].shape}:
        raise CellError(f"{cell.name}: a state or the output is as wide as the input")
    return cell


def _named(initializer: Initializer) -> str | float:
    return UNKNOWN if callable(initializer) else initializer


def _plain(value: Any) -> Any:
    """An option as data; functions are in the equations, and here for their names."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    try:
        return float(value)
    except (TypeError, ValueError):
        return str(value)


# -- reading fields: each function returns a sound value or raises ---------------------

Reader = Callable[[Any, str], Any]


def _fields(given: Any, readers: Mapping[str, Reader], what: str) -> dict[str, Any]:
    if not isinstance(given, Mapping) or set(given) != set(readers):
        raise CellError(f"expected a {what} with the entries {', '.join(readers)}")
    return {name: read(given[name], name) for name, read in readers.items()}


def _refused(what: str, expected: str, given: Any) -> CellError:
    return CellError(f"{what}: expected {expected}, received {_quoted(given)}")


def _quoted(given: Any) -> str:
    """A value in a message, whatever it is and however large."""
    if isinstance(given, str):
        return repr(given[:60])
    small = isinstance(given, (bool, float)) or (
        isinstance(given, int) and given.bit_length() < 64
    )
    return repr(given) if small else f"a large {type(given).__name__}"


def _name(given: Any, what: str) -> str:
    if _label(given, what).startswith("_"):
        raise _refused(what, "a name", given)
    return given


def _label(given: Any, what: str) -> str:
    """A name that is shown, and for nothing else."""
    short = isinstance(given, str) and len(given) <= _LONGEST_NAME
    if not (short and given.isidentifier()):
        raise _refused(what, "a name", given)
    return given


def _maybe_name(given: Any, what: str) -> str | None:
    return None if given is None else _name(given, what)


def _text(given: Any, what: str) -> str:
    if not isinstance(given, str):
        raise _refused(what, "a text", given)
    return given


def _whole(given: Any, what: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise _refused(what, "a whole number", given)
    return given


def _initializer(given: Any, what: str) -> str | float:
    if not isinstance(given, (bool, str)) and isinstance(given, (int, float)):
        return _option(given, what)
    return _name(given, what)


def _option(given: Any, what: str) -> Any:
    if given is None or isinstance(given, bool):
        return given
    if isinstance(given, (int, float)) and abs(given) <= LARGEST:
        return given
    if isinstance(given, str) and len(given) <= 256:
        return given
    raise _refused(what, "a number or a name", given)


def _list_of(read: Reader) -> Reader:
    def reader(given: Any, what: str) -> list[Any]:
        if not isinstance(given, (list, tuple)) or len(given) > _MOST_ENTRIES:
            raise _refused(what, f"a list of {_MOST_ENTRIES} at most", given)
        return [read(value, what) for value in given]

    return reader


def _map_of(read: Reader, name: Reader = _name, most: int = _MOST_ENTRIES) -> Reader:
    def reader(given: Any, what: str) -> dict[str, Any]:
        if not isinstance(given, Mapping) or len(given) > most:
            raise _refused(what, f"a mapping of {most} at most", given)
        return {name(k, what): read(v, f"{what}: {k}") for k, v in given.items()}

    return reader


_WEIGHT: dict[str, Reader] = {
    "variable": _name,
    "shape": _list_of(_name),
    "gates": _list_of(_name),
    "initializer": _initializer,
    "by_gate": _map_of(_initializer),
}
_RECORD: dict[str, Reader] = {
    "name": _name,
    "sizes": _map_of(_whole),
    "options": _map_of(_option),
    "states": _map_of(_name),
    "gates": _list_of(_name),
    "output": _maybe_name,
    "weights": _map_of(lambda given, what: _fields(given, _WEIGHT, what)),
    "equations": _text,
    "names": _map_of(_text, _label, MOST_NODES),
}
