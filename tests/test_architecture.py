"""The rules of the layout: who imports whom, and what every primitive must have.

docs/tour.md tells the same in prose.
"""

import ast
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from refrain.emit.llvm.pointwise import RULES
from refrain.graph.graph import leaf
from refrain.graph.node import building
from refrain.graph.ops import OPS, op
from refrain.layers.rules import rule_of

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "refrain"

# Packages in the order in which a cell is processed. All may import `errors`.
MAY_IMPORT = {
    "graph": set(),
    "cells": {"graph"},
    "derive": {"graph"},
    "plan": {"graph", "derive"},
    "emit": {"graph", "plan"},
    "runtime": {"graph", "cells", "derive", "plan", "emit"},
    "network": {"graph", "cells", "derive", "plan", "runtime"},
    "stream": {"graph", "plan", "emit", "runtime", "network", "files"},
    "export": {
        "graph",
        "cells",
        "derive",
        "plan",
        "emit",
        "runtime",
        "network",
        "files",
    },
    "bridge": {"runtime"},
    "layers": {"graph", "cells", "runtime", "bridge", "backend"},
    "keras": {"layers"},
    "convert": {"cells", "layers"},
    "report": {"files"},
    "study": {
        *("graph", "cells", "derive", "runtime", "bridge", "layers"),
        *("report", "files", "backend"),
    },
    "tasks": {"layers", "stream", "report", "study", "files", "words"},
    "compare": {
        *("graph", "cells", "runtime", "layers", "stream", "study", "tasks"),
        *("report", "files", "words"),
    },
    "cli": {
        *("graph", "cells", "plan", "runtime", "layers", "study", "tasks"),
        *("compare", "stream", "export", "report", "files", "words"),
    },
}
# The modules beside the packages.
MAY_IMPORT_MODULES = {
    "__init__": {"backend", ""},  # loads the public modules by name, when asked
    "backend": set(),
    "errors": set(),
    "files": set(),
    "functions": {"graph"},
    "words": set(),
}
# Besides NumPy, which all may import. A file of `bridge` may import the array library
# that it is named after.
THIRD_PARTY = {
    "emit": {"llvmlite"},
    "runtime": {"llvmlite"},
    "network": {"h5py"},
    "export": {"onnx", "onnxruntime"},
    "layers": {"keras"},
    "keras": {"keras"},
    "convert": {"keras", "onnx", "torch"},
    "report": {"jinja2", "markupsafe", "matplotlib"},
    "study": {"keras", "matplotlib", "resvg_py"},
    "tasks": {
        *("keras", "optuna", "pandas", "pyarrow", "sklearn", "statsmodels"),
        "tokenizers",
    },
    "compare": {"keras", "matplotlib"},
    "cli": {"keras", "rich", "typer"},
}
FRAMEWORKS = {"jax", "keras", "tensorflow", "torch"}

LOOKING_UP = {"row", "at_row"}  # no equation of a cell has them
# What pointwise rules do not emit: constants and what lies in memory (tile.py),
# products (gemm.py), reductions (sweep.py), weight gradients (gather.py), rows.
STRUCTURAL = {
    *("leaf", "constant", "size", "broadcast"),
    *("matmul", "matmul_transposed", "outer"),
    *("sum", "mean", "max"),
    *LOOKING_UP,
}
# The scan takes gradients from its backend, and vectors of words.
KERNELS_ALONE = {"outer", *LOOKING_UP}

MODULES = sorted(SRC.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def relative(file: Path) -> str:
    return str(file.relative_to(ROOT))


def package_of(file: Path) -> str:
    """The package that a module belongs to; its own name if it lies beside them."""
    return file.relative_to(SRC).with_suffix("").parts[0]


def imported_modules(file: Path) -> set[str]:
    """Dotted names that a module imports anywhere in it, by whatever means."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        match node:
            case ast.Import(names=names):
                found |= {name.name for name in names}
            case ast.ImportFrom(module=str(module), names=names):
                found |= {f"{module}.{name.name}" for name in names}
            case ast.Attribute(value=ast.Name(id="refrain"), attr=attribute):
                found.add(f"refrain.{attribute}")  # loads it where it is not loaded
            case ast.Call(
                func=ast.Attribute(attr="import_module"),
                args=[
                    ast.Constant(value=str(name))
                    | ast.JoinedStr(values=[ast.Constant(value=str(name)), *_])
                ],
            ):
                found.add(name)
    return found


def imported_parts(file: Path) -> set[str]:
    """Parts of refrain that a module imports: packages, and modules beside them."""
    parts = {
        name.split(".")[1]
        for name in imported_modules(file)
        if name.startswith("refrain.")
    }
    return {part for part in parts if not part.startswith("__")}  # __version__


def third_parties(file: Path) -> set[str]:
    heads = {name.split(".")[0] for name in imported_modules(file)}
    return heads - sys.stdlib_module_names - {"refrain"}


def test_every_package_has_a_rule():
    packages = {file.parent.name for file in SRC.glob("*/__init__.py")}
    assert packages == set(MAY_IMPORT)
    assert {file.stem for file in SRC.glob("*.py")} == set(MAY_IMPORT_MODULES)


def test_rules_point_down():
    above = list(MAY_IMPORT)
    for package, allowed in MAY_IMPORT.items():
        assert allowed - set(MAY_IMPORT_MODULES) <= set(above[: above.index(package)])


@pytest.mark.parametrize("file", MODULES, ids=relative)
def test_imports_point_down(file):
    package = package_of(file)
    allowed = (MAY_IMPORT | MAY_IMPORT_MODULES)[package] | {package, "errors"}
    extra = imported_parts(file) - allowed
    assert not extra, f"{package} may not import {sorted(extra)}"


@pytest.mark.parametrize("file", MODULES, ids=relative)
def test_libraries_are_imported_where_they_belong(file):
    package = package_of(file)
    allowed = THIRD_PARTY.get(package, set()) | {"numpy"}
    if package == "bridge":
        allowed.add(file.stem)
    extra = third_parties(file) - allowed
    assert not extra, f"{package} may not import {sorted(extra)}"


@pytest.mark.parametrize(
    "module",
    ["refrain", "refrain.runtime.driver", "refrain.bridge.numpy", "refrain.stream"],
)
def test_the_core_loads_no_framework(module):
    code = f"import sys, {module}; print(*(m.split('.')[0] for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not FRAMEWORKS & set(done.stdout.split())


def test_every_primitive_is_emitted():
    assert set(RULES) | STRUCTURAL == set(OPS)
    assert not set(RULES) & STRUCTURAL


def operands_of(name: str) -> list[tuple[tuple[str, ...], tuple[int, ...]]]:
    """What a primitive takes: symbolic shapes, with those of arrays for them."""
    vector, matrix = (("units",), (4, 3)), (("units", "units"), (3, 3))
    if name in ("matmul", "matmul_transposed"):
        return [vector, matrix]
    if name == "broadcast":
        return [((), (4, 1)), vector]
    return [vector] * OPS[name].arity


@pytest.mark.parametrize(
    "name", sorted(set(OPS) - {"leaf", "constant", "where"} - KERNELS_ALONE)
)
def test_every_primitive_means_the_same_to_keras(name, rng):
    symbolic, shapes = zip(*operands_of(name), strict=True)
    arrays = [rng.uniform(0.2, 0.9, shape) for shape in shapes]
    with building():
        node = op(name, *(leaf(f"v{k}", shape) for k, shape in enumerate(symbolic)))
    found = ops.convert_to_numpy(rule_of(node)(*(a.astype("float32") for a in arrays)))
    expected = np.broadcast_to(OPS[name].value(*arrays), found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_choice_means_the_same_to_keras():
    with building():
        a, b = leaf("a", ("units",)), leaf("b", ("units",))
        node = op("where", a > b, a, b)
    found = rule_of(node)(np.array([True, False]), np.ones(2), np.zeros(2))
    assert ops.convert_to_numpy(found).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("file", MODULES, ids=relative)
def test_nothing_runs_text_as_code(file):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__")
    heads = {name.split(".")[0] for name in imported_modules(file)}
    assert not heads & {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


@pytest.mark.parametrize("file", MODULES + TESTS, ids=relative)
def test_files_are_short(file):
    most = 400 if SRC in file.parents else 600
    assert len(file.read_text().splitlines()) <= most, "split it by concept"


def test_no_module_is_named_after_nothing():
    vague = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert not {file.stem for file in MODULES + TESTS} & vague
