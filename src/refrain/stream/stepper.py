"""What a stream runs: one step as equations, with the numbers of its weights.

On disk it is a zip of plain arrays, with the equations as text in refrain's grammar.
Nothing in it is code, and a file whose parts do not fit each other is refused.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from refrain.errors import CellError, ExportError, StreamError
from refrain.files import write_file
from refrain.graph.graph import OUTPUT, Graph
from refrain.graph.parse import parse
from refrain.graph.show import show
from refrain.network.compose import compose, task_of
from refrain.network.cut import without_embedding
from refrain.network.live import network_of
from refrain.network.records import Network
from refrain.plan.task import Task

FORMAT = "refrain step 1"
LARGEST = 1 << 31  # bytes of all arrays
_ABOUT, _TABLE = "about", "table"


@dataclass(frozen=True)
class Stepper:
    """One step of a network.

    Attributes:
        graph: the equations, from `x` and the states to `output` and the new states.
        sizes: numbers for the symbolic sizes.
        arrays: float32, one a weight of the graph.
        table: of an embedding, `(vocabulary, features)`; then frames are numbers.
        padding: the number 0 stands for no word, as in a masked batch.
    """

    graph: Graph
    sizes: Mapping[str, int]
    arrays: Mapping[str, np.ndarray]
    table: np.ndarray | None = None
    padding: bool = False

    @staticmethod
    def of(model: Any) -> Stepper:
        """The step of a live Keras model, or of a `.keras` file."""
        with told_as_stream_errors():
            return Stepper.of_network(network_from(model))

    @staticmethod
    def of_network(whole: Network) -> Stepper:
        """The step of a network.

        Raises:
            ExportError: a layer has no form as a step.
        """
        network, first = without_embedding(whole)
        task, arrays = compose(network)
        made = Stepper(task.graph, task.sizes, arrays)
        if first is None:
            return made
        table = np.ascontiguousarray(first.weights[0], np.float32)
        return replace(made, table=table, padding=bool(first.config.get("mask_zero")))

    @property
    def task(self) -> Task:
        """The step as what is planned."""
        return task_of(self.graph, self.sizes, self.arrays)

    def digest(self, weights: str) -> bytes:
        """Differs from that of every other step, and of weights stored otherwise."""
        found = hashlib.sha256(f"{weights} {self._about()}".encode())
        for name in sorted(self.arrays):
            found.update(self.arrays[name].tobytes())
        if self.table is not None:
            found.update(self.table.tobytes())
        return found.digest()

    def write(self, path: Path) -> None:
        """Write the step to a file, whole or not at all."""
        about = np.frombuffer(self._about().encode(), np.uint8)
        arrays = {f"weight {name}": a for name, a in self.arrays.items()}
        arrays[_ABOUT] = about
        if self.table is not None:
            arrays[_TABLE] = self.table

        def write(temporary: Path) -> None:
            with temporary.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)

        write_file(path, write)

    @staticmethod
    def read(path: Path) -> Stepper:
        """Read what `write` wrote.

        Raises:
            StreamError: the file is missing, no such file, or damaged.
        """
        try:
            with zipfile.ZipFile(path) as file:
                size = sum(member.file_size for member in file.infolist())
            if size > LARGEST:
                raise StreamError(
                    f"{path}: {size:,} bytes; expected {LARGEST:,} at most"
                )
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: np.asarray(file[name]) for name in file.files}
            about = json.loads(arrays.pop(_ABOUT).tobytes())
            if about["format"] != FORMAT:
                raise StreamError(
                    f"{path}: expected {FORMAT}, received {about['format']!r}"
                )
            graph, sizes = parse(about["graph"]), dict(about["sizes"])
            padding = bool(about["padding"])
        except OSError as fault:
            raise StreamError(
                f"cannot read {path}: {fault.strerror or fault}"
            ) from None
        except CellError as error:
            raise StreamError(f"{path}: {error}") from None
        except StreamError:
            raise
        except Exception:  # of any type: whatever lies in the file
            raise StreamError(
                f"{path}: expected a file that Stream.save wrote, received something "
                "else or a damaged one"
            ) from None
        table = arrays.pop(_TABLE, None)
        weights = {name.removeprefix("weight "): a for name, a in arrays.items()}
        made = Stepper(graph, sizes, weights, table, padding)
        made._check(path)
        return made

    def _about(self) -> str:
        about = {
            "format": FORMAT,
            "graph": show(self.graph),
            "sizes": dict(self.sizes),
            "padding": self.padding,
        }
        return json.dumps(about, sort_keys=True)

    def _check(self, path: Path) -> None:
        """Refuse what native code would read or write beyond its end."""
        for name, size in self.sizes.items():
            if type(size) is not int or not 1 <= size <= 1 << 24:
                raise StreamError(f"{path}: the size {name} is {size!r}")
        leaves = dict(self.graph.leaves)
        given = {**self.arrays, "x": None}
        states = [name for name in self.graph.results if name != OUTPUT]
        for state in states:
            entering = leaves.get(f"{state}_prev")
            if entering is None or entering.shape != self.graph.results[state].shape:
                raise StreamError(f"{path}: the state {state} does not go on")
            given[f"{state}_prev"] = None
        if set(leaves) != set(given) or OUTPUT not in self.graph.results:
            raise StreamError(f"{path}: the weights are not those of the equations")
        shapes = [node.shape for node in self.graph.nodes()]
        if not {size for shape in shapes for size in shape} <= set(self.sizes):
            raise StreamError(f"{path}: a size of the equations is missing")
        vectors = (leaves["x"], *self.graph.results.values())
        if any(len(node.shape) != 1 for node in vectors):
            raise StreamError(f"{path}: the input or a result is no vector")
        for name, array in self.arrays.items():
            expected = tuple(self.sizes[s] for s in leaves[name].shape)
            _expect(path, name, array, expected)
        if self.table is not None:
            (features,) = leaves["x"].shape
            shape = (*self.table.shape[:1], self.sizes[features])
            _expect(path, _TABLE, self.table, shape)


def network_from(model: Any) -> Network:
    """The network of a live Keras model, or of a `.keras` file.

    Raises:
        ExportError: it cannot be read.
    """
    if not isinstance(model, Path):
        return network_of(model)
    # Brings h5py, which a file that `Stream.save` wrote does without.
    from refrain.network.archive import network_in

    return network_in(model)


@contextmanager
def told_as_stream_errors() -> Iterator[None]:
    """What a network cannot be, told to someone who opens a stream."""
    try:
        yield
    except ExportError as error:
        raise StreamError(f"the model cannot run step by step: {error}") from None


def _expect(path: Path, name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.dtype != np.float32 or array.shape != shape:
        raise StreamError(
            f"{path}: {name}: expected float32 of shape {shape}, received "
            f"{array.dtype} of shape {array.shape}"
        )
