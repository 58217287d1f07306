"""Steps that stand alone are kept on disk under keys that tell them apart."""

import ctypes
from dataclasses import replace

import numpy as np
import pytest

from refrain import cells
from refrain.cells import cell, vector
from refrain.emit.llvm.vectors import Target
from refrain.graph.functions import leaky_relu
from refrain.runtime import standalone
from tests.export.programs import task_of

HOST = Target.host("float32")
VARIANTS = (
    {"sessions": 2},
    {"sessions": 3},
    {"team": True},
    {"table": np.zeros((20, 3), "float32")},
    {"table": np.zeros((21, 3), "float32")},
    {"name": "other"},
    {"target": replace(HOST, weights="bfloat16")},
    {"target": replace(HOST, width=4)},
)


def fading(gates):
    @cell(state="h", p=vector(gates=gates))
    def fade(x, h_prev, W, p):
        return p.keep * h_prev + p.take * (x @ W)

    return fade(5)


def alike():
    """Cells that differ in little, each in another way, with their features."""
    yield cells.gru(5), 4
    yield cells.gru(6), 3
    yield cells.gru(5, use_bias=False), 3
    yield cells.gru(5, reset_after=False), 3
    for slope in (0.2, 0.3):
        yield cells.simple_rnn(5, activation=lambda x, s=slope: leaky_relu(x, s)), 3
    for gates in (("keep", "take"), ("take", "keep")):
        yield fading(gates), 3


class _Idle:
    """Stands for loaded code, and does nothing."""

    calls = ctypes.CFUNCTYPE(None)(lambda: None)

    def __init__(self, *_):
        pass

    def address(self, _):
        return ctypes.cast(self.calls, ctypes.c_void_p).value


@pytest.fixture
def asked(monkeypatch):
    """For each key that the disk is asked for: the code that it stands for, as text."""
    found: dict[str, set[str]] = {}

    def load_or_make(key, make):
        found.setdefault(key, set()).add(make())
        return b"", False

    monkeypatch.setattr(standalone.disk, "load_or_make", load_or_make)
    monkeypatch.setattr(
        standalone, "compile_object", lambda *code: "".join(map(str, code))
    )
    monkeypatch.setattr(standalone, "Library", _Idle)
    return found


def compile_step(sized, features, **chosen):
    given = {"name": "net", "target": HOST, "inside": False} | chosen
    arrays = {v.name: np.zeros(v.shape, "float32") for v in sized.variables(features)}
    standalone.compile_step(task=task_of(sized, features), variables=arrays, **given)


def test_a_key_stands_for_one_code(asked):
    compile_step(cells.gru(5), 3)
    for chosen in VARIANTS:
        compile_step(cells.gru(5), 3, **chosen)
    for sized, features in alike():
        compile_step(sized, features)
    assert {len(codes) for codes in asked.values()} == {1}
