"""Finds a cell by what a user calls it: a name of the zoo, or `file.py:cell`.

A file that is named here is the user's own program, and is run as Python runs it. A
model file is another thing: nothing that it holds is ever run.
"""

from __future__ import annotations

import contextlib
import difflib
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from refrain.cells import ALL
from refrain.cells.define import Cell
from refrain.errors import CellError

_FILE = re.compile(r"(?P<file>.*\.py)(:(?P<cell>.*))?")


def find_cell(name: str) -> Cell:
    """A cell of the zoo, or one of a file: `my_cells.py:leaky_unit`.

    Raises:
        CellError: there is none of this name, or the file cannot be run.
    """
    named = _FILE.fullmatch(name)
    if named is None:
        return _among({cell.name: cell for cell in ALL}, name, "`refrain cells`")
    file = Path(named["file"])
    found = run_file(file)
    if found.fault:
        raise found.fault
    if not named["cell"]:
        known = ", ".join(f"{file}:{cell}" for cell in found.cells)
        raise CellError(
            f"{file}: expected the name of a cell: {known or 'it has none'}"
        )
    return _among(found.cells, named["cell"], f"`refrain check {file}`", f"{file}: ")


def _among(cells: dict[str, Cell], name: str, command: str, where: str = "") -> Cell:
    if name in cells:
        return cells[name]
    near = difflib.get_close_matches(name, cells, n=1)
    hint = f"did you mean {near[0]}?" if near else f"{command} lists all"
    raise CellError(f"{where}unknown cell {name!r}; {hint}")


@dataclass(frozen=True)
class CellFile:
    """What running a file of cells gave.

    Attributes:
        cells: all that have a name in it, imported ones too.
        own: those of them that it defines.
        fault: what ended it too early; the cells are then those before.
    """

    cells: dict[str, Cell]
    own: dict[str, Cell]
    fault: CellError | None


def run_file(file: Path) -> CellFile:
    """Run a Python file, as `python file.py` does, and take its cells.

    Its own folder is the first to import from. `__name__` is not `"__main__"`: what a
    file does as a program, such as training, it does not do here. What it prints goes
    to standard error, for standard output is the command's.

    Raises:
        CellError: there is no such file.
    """
    if not file.is_file():
        raise CellError(f"{file}: no such file")
    name = f"cells of {file.resolve()}"  # no module that can be imported is called so
    spec = spec_from_file_location(name, file, loader=_Source(name, str(file)))
    if spec is None or spec.loader is None:
        raise CellError(f"{file}: not a Python file")
    module = module_from_spec(spec)
    fault = None
    with _as_a_program(file), _registered(name, module):
        try:
            spec.loader.exec_module(module)
        except (Exception, SystemExit) as error:  # whatever the user's program does
            fault = _told(file, error)
    cells = {n: value for n, value in vars(module).items() if isinstance(value, Cell)}
    own = {n: cell for n, cell in cells.items() if cell.__module__ == name}
    return CellFile(cells, own, fault)


class _Source(SourceFileLoader):
    """Compiles the source each time: neither reads nor leaves a `__pycache__`."""

    def get_code(self, fullname: str):  # noqa: ARG002
        return self.source_to_code(self.get_data(self.path), self.path)


@contextlib.contextmanager
def _as_a_program(file: Path) -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(file.resolve().parent))
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        sys.path[:] = before


@contextlib.contextmanager
def _registered(name: str, module) -> Iterator[None]:
    """Dataclasses and the like look for their module by its name."""
    sys.modules[name] = module
    try:
        yield
    finally:
        del sys.modules[name]


def _told(file: Path, error: BaseException) -> CellError:
    """What ended a file, with its line; a mistake in equations quotes its own."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(file)]
    message = str(error)
    if isinstance(error, SyntaxError):
        lines, message = [error.lineno], error.msg
    where = f"{file.name}:{lines[-1]}" if lines else file.name
    if isinstance(error, CellError):
        quoted = f"{file.name}:" in message
        return error if quoted else type(error)(f"{where}: {message}")
    return CellError(f"{where}: {type(error).__name__}: {message}")
