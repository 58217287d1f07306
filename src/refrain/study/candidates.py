"""The cells that a comparison can race against each other, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from refrain import cells
from refrain.cells import Cell
from refrain.cells.find import find_cell
from refrain.errors import CellError


@dataclass(frozen=True)
class Candidate:
    """A recurrent layer to compare.

    Attributes:
        key: short name, e.g. "gru".
        name: name for people, e.g. "GRU".
        cell: its equations.
        layer: name of the Keras layer that runs them, in `refrain.layers`.
        directions: 2 where a second copy reads the sequence against time.
    """

    key: str
    name: str
    cell: Cell
    layer: str
    directions: int = 1

    @property
    def gates(self) -> int:
        """Number of sigmoid gates in the cell's equations.

        The packed parts of a kernel are one more in the LSTM and the GRU: the
        candidate state is no gate.
        """
        return sum(node.op.name == "sigmoid" for node in self.cell.graph().nodes())

    def build(self, units: int, **options: Any) -> Any:
        """The Keras layer with so many units a direction."""
        # Here, so that choosing candidates by name does not import Keras.
        from refrain import layers

        if self.layer == "RNN":
            sizes = dict.fromkeys(self.cell.sizes, units)
            return layers.RNN(self.cell(**sizes), **options)
        layer = getattr(layers, self.layer)(units, **options)
        return layers.Bidirectional(layer) if self.directions == 2 else layer


CANDIDATES = {
    c.key: c
    for c in (
        Candidate("rnn", "simple RNN", cells.simple_rnn, "SimpleRNN"),
        Candidate("lstm", "LSTM", cells.lstm, "LSTM"),
        Candidate("gru", "GRU", cells.gru, "GRU"),
        Candidate("bilstm", "BiLSTM", cells.lstm, "LSTM", 2),
    )
}
_ZOO = {cell.name: Candidate(cell.name, cell.name, cell, "RNN") for cell in cells.ALL}
_KNOWN = {**_ZOO, **CANDIDATES}
_EXPECTED = (
    f"{', '.join(CANDIDATES)}, cells that `refrain cells` lists, or file.py:cell"
)


def find_candidates(names: str) -> tuple[Candidate, ...]:
    """Candidates from their keys, separated by commas.

    A key that names a Python file, `my_cells.py:leaky_unit`, is a cell of that file,
    which is run.

    Raises:
        CellError: an unknown key, the same one twice, or none.
    """
    keys = [name.strip() for name in names.split(",") if name.strip()]
    if not keys:
        raise CellError(f"no cell named; expected one or more of {_EXPECTED}")
    found = [_find(key) for key in keys]
    for k, candidate in enumerate(found):
        if candidate.key in (other.key for other in found[:k]):
            raise CellError(
                f"the cell {candidate.key!r} is named twice; name each once"
            )
    return tuple(found)


def _find(key: str) -> Candidate:
    if ".py:" in key or key.endswith(".py"):
        cell = find_cell(key)
        name = key.rpartition(":")[2]
        # A cell of one's own may bear the name of one that is raced against it.
        return Candidate(f"own {name}" if name in _KNOWN else name, name, cell, "RNN")
    if key.lower() not in _KNOWN:
        raise CellError(
            f"unknown cell {key!r}; expected one or more of {_EXPECTED}, "
            "separated by commas"
        )
    return _KNOWN[key.lower()]
