"""In float32 the scan equals the interpreter, for every cell of the zoo.

Kernels are held against it in `tests/runtime`, and all paths in `test_float64.py`.
`test_backends.py` runs this file once more on other backends.
"""

import numpy as np
import pytest

from refrain import cells, layers
from refrain.graph.evaluate import run
from tests.layers.contract import array
from tests.randoms import random_states, random_weights, sized_cell, unpacked


@pytest.mark.parametrize("make", cells.ALL, ids=str)
def test_scan_equals_the_interpreter(make, rng, monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "off")
    sized = sized_cell(make, 5)
    x, states = rng.normal(size=(3, 7, 4)), random_states(sized, 3, rng)
    variables = random_weights(sized, 4, rng)
    outputs, history = run(sized.graph, x, states, unpacked(sized, 4, variables))
    layer = layers.RNN(sized, return_sequences=True, return_state=True)
    layer.build(x.shape)
    layer.set_weights(list(variables.values()))
    first = [state.astype("float32") for state in states.values()]
    found = layer(x.astype("float32"), initial_state=first)
    expected = [outputs, *(past[:, -1] for past in history.values())]
    for value, right in zip(found, expected, strict=True):
        scale = max(1.0, np.abs(right).max())
        assert np.abs(array(value) - right).max() < 1e-5 * scale
