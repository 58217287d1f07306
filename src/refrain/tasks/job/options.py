"""The options of a job: a dataclass that Python, a TOML file and a command share.

A field's metadata says what the option means and which values it takes. Nothing is
checked when the dataclass is made, as scikit-learn expects; `check` does when the job
starts.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
import types
import typing
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from refrain.errors import OptionError

Options = TypeVar("Options")


def option(
    default: Any,
    meaning: str,
    *,
    least: float | None = None,
    most: float | None = None,
    choices: Sequence[str] = (),
    metavar: str | None = None,
) -> Any:
    """A field of a job's options.

    Args:
        default: its value unless one is given.
        meaning: a sentence for `--help`.
        least, most: the range of numbers that it takes, ends included.
        choices: the words that it takes; none: any.
        metavar: what stands for the value in `--help`.
    """
    limits = {"least": least, "most": most, "choices": tuple(choices)}
    about = {"meaning": meaning, "metavar": metavar, **limits}
    return dataclasses.field(default=default, metadata=about)


def kinds(options: type) -> dict[str, type]:
    """The type of each option, without the None that it may also be."""
    hints = typing.get_type_hints(options)
    return {field.name: _kind(hints[field.name]) for field in _fields(options)}


def check(options: Any) -> None:
    """Check the values of a job's options.

    Raises:
        OptionError: one is of another type, out of its range or none of its words.
    """
    wanted = kinds(type(options))
    for field in _fields(type(options)):
        value = getattr(options, field.name)
        if value is None and field.default is None:
            continue
        kind, about = wanted[field.name], field.metadata
        if not _is(value, kind):
            raise _refusal(field.name, _NAMES.get(kind, kind.__name__), value)
        least, most, choices = (about.get(k) for k in ("least", "most", "choices"))
        if least is not None and not value >= least:
            raise _refusal(field.name, f"{least} or more", value)
        if most is not None and not value <= most:
            raise _refusal(field.name, f"{most} or less", value)
        if choices and value not in choices:
            raise _refusal(field.name, f"one of {', '.join(choices)}", value)


def make(options: type[Options], *sources: Mapping[str, Any]) -> Options:
    """Options from several sources, of which the last that has a value counts.

    Args:
        options: the dataclass.
        sources: values by name; what is None counts as not given.

    Raises:
        OptionError: a name is not one of the options, or a value is not allowed.
    """
    given: dict[str, Any] = {}
    for source in sources:
        given |= {key: value for key, value in source.items() if value is not None}
    _check_names(options, given)
    made = options(**given)
    check(made)
    return made


def read_config(
    path: Path, options: type, elsewhere: Collection[str] = ()
) -> dict[str, Any]:
    """The options in a TOML file, by name; a name may have - for _.

    Args:
        path: the file.
        options: the dataclass.
        elsewhere: names of options that the command has, and no file.

    Raises:
        OptionError: the file is missing or no TOML, has a table in it, or a name that
            is not one of the options.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as fault:
        raise OptionError(f"cannot read {path}: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise OptionError(f"{path}: expected UTF-8 text, found other bytes") from None
    except tomllib.TOMLDecodeError as fault:
        raise OptionError(f"{path}: not TOML: {fault}") from None
    for key, value in found.items():
        if isinstance(value, dict):
            raise OptionError(
                f"{path}: expected lines of name = value, received the table [{key}]"
            )
    named = {key.replace("-", "_"): value for key, value in found.items()}
    for key in named:
        if key in elsewhere:
            raise OptionError(
                f"{path}: {key} is given on the command line, as --{key}, and not in "
                "the file"
            )
    _check_names(options, named, f"{path}: ")
    return named


def values(options: Any) -> dict[str, Any]:
    """The options by name."""
    return {f.name: getattr(options, f.name) for f in _fields(type(options))}


def _check_names(options: type, names: Iterable[str], where: str = "") -> None:
    known = [field.name for field in _fields(options)]
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            meant = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
            raise OptionError(f"{where}there is no option {name}; {meant}")


_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def _fields(options: Any) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(options) if field.init]


def _kind(hint: Any) -> type:
    """The type in `kind | None`."""
    if isinstance(hint, types.UnionType):
        (hint,) = (part for part in hint.__args__ if part is not types.NoneType)
    return hint


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if kind is int and isinstance(value, bool):
        return False
    return isinstance(value, kind)


def _refusal(name: str, expected: str, value: Any) -> OptionError:
    return OptionError(f"{name}: expected {expected}, received {value!r}")
