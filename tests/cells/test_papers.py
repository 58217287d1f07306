"""The interpreter on the traced equations equals the papers' formulas by hand."""

import importlib
import pkgutil

import numpy as np
import pytest

from refrain import cells
from refrain.graph.evaluate import run
from tests.cells import papers
from tests.randoms import random_states, random_weights, sized_cell, unpacked

MODULES = [
    importlib.import_module(f"{papers.__name__}.{module.name}")
    for module in pkgutil.iter_modules(papers.__path__)
]
ELSEWHERE = {"simple_rnn", "lstm", "gru"}  # tests/graph/test_meaning.py, all options
CELLS = [make for make in cells.ALL if make.name not in ELSEWHERE]


def paper_of(name: str):
    """The function of this name, which is in one of the families' files."""
    found = [getattr(module, name) for module in MODULES if hasattr(module, name)]
    assert len(found) == 1, f"{name} by hand from its paper: expected once in {MODULES}"
    return found[0]


def by_hand(paper, x, states, variables):
    """Outputs and last states of all samples, one step of one sample after another."""
    outputs, last = [], []
    for sample, *old in zip(x, *states.values(), strict=True):
        outputs.append([])
        for now in sample:
            output, *old = paper(now, *old, **variables)
            outputs[-1].append(output)
        last.append(old)
    return np.array(outputs), [np.array(state) for state in zip(*last, strict=True)]


def assert_equals_the_paper(sized, paper, rng):
    x = rng.normal(size=(3, 6, 4))
    variables = random_weights(sized, 4, rng)
    states = random_states(sized, 3, rng)
    outputs, history = run(sized.graph, x, states, unpacked(sized, 4, variables))
    expected, last = by_hand(paper, x, states, variables)
    np.testing.assert_allclose(outputs, expected, rtol=1e-11, atol=1e-13)
    for name, value in zip(states, last, strict=True):
        np.testing.assert_allclose(history[name][:, -1], value, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("make", CELLS, ids=repr)
def test_cell_equals_its_paper(make, rng):
    assert_equals_the_paper(sized_cell(make, 5), paper_of(make.name), rng)
