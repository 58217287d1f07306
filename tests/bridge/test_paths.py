"""Kernel or scan: both mean the same, the user's wish counts, and nobody is deceived.

`test_backends.py` runs this file once more for every other array library.
"""

import numpy as np
import pytest
from keras import ops

from refrain import cells, layers
from refrain.errors import KernelError
from refrain.layers.paths import Run, run_cell
from refrain.layers.scan import Weights
from refrain.runtime.driver import Request
from tests.bridge import library
from tests.bridge.reference import random_point

MASKED = Request(cells.lstm(6), 4, mask="hold")
EVERY_OUTPUT = Run(
    sequence=True, against_time=False, zero_output_for_mask=False, unroll=False
)


@pytest.fixture(params=["require", "off"])
def path(request, monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", request.param)


def slopes(point, run=EVERY_OUTPUT):
    """What a path results in, and gradients."""
    sized, features = point.request.sized, point.request.features

    def function(inputs, variables, states):
        inputs = dict(inputs)
        x, mask = inputs.pop("x"), inputs.pop("mask", None)
        _, outputs, last = run_cell(
            sized,
            x,
            list(states.values()),
            Weights(sized.variables(features), variables),
            None if mask is None else ops.greater(mask, 0.5),
            inputs,
            run,
        )
        names = [f"last_{s}" for s in sized.cell.states]
        return {"y": outputs, **dict(zip(names, last, strict=True))}

    groups = point.inputs, point.variables, point.states
    arriving = {n: a for n, a in point.arriving.items() if n != "last_held"}
    results, grads = library.slopes(function, groups, arriving)
    grads = {f"grad {n}": g for n, g in (grads or {}).items() if n != "mask"}
    return results | grads


@pytest.mark.usefixtures("path")
def test_nan_at_masked_steps_leaves_no_trace(rng):
    point = random_point(MASKED, rng)
    skipped = point.inputs["mask"] == 0
    assert skipped.any()
    assert not skipped.all()
    found = []
    for number in (0.0, np.nan):
        point.inputs["x"][skipped] = number
        found.append(slopes(point))
    for name, value in found[0].items():
        assert np.isfinite(value).all(), name
        assert np.array_equal(value, found[1][name]), name


@pytest.mark.parametrize(("sequence", "against_time"), [(True, False), (False, True)])
def test_both_paths_mean_the_same(sequence, against_time, rng, monkeypatch):
    run = Run(sequence, against_time, zero_output_for_mask=False, unroll=False)
    point = random_point(MASKED, rng)
    if not sequence:
        point.arriving["y"] = point.arriving["y"][:, -1:]
    found = []
    for wish in ("require", "off", ""):
        monkeypatch.setenv("REFRAIN_KERNELS", wish)
        found.append(slopes(point, run))
    for name, value in found[0].items():
        for other in found[1:]:
            close = 1e-5 * max(1.0, np.abs(value).max())
            np.testing.assert_allclose(
                other[name], value, rtol=0, atol=close, err_msg=name
            )


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_floats_take_the_scan_and_say_so(dtype, monkeypatch):
    layer = layers.GRU(4, dtype=f"mixed_{dtype}")
    reason = f"kernels compute in float32 and float64, not in {dtype}"
    assert layer.explain().endswith(f"because {reason}")
    x = ops.ones((2, 3, 5), dtype)
    assert ops.shape(layer(x)) == (2, 4)
    monkeypatch.setenv("REFRAIN_KERNELS", "require")
    with pytest.raises(KernelError, match=f"REFRAIN_KERNELS=require, but {reason}"):
        layer.explain()
    with pytest.raises(KernelError, match=f"REFRAIN_KERNELS=require, but {reason}"):
        layer(x)


def test_layers_say_which_path_runs(monkeypatch):
    layer = layers.LSTM(4)
    assert "native kernels from the equations of lstm" in layer.explain()
    assert f"{library.NAME} on cpu in float32" in layer.explain()
    monkeypatch.setenv("REFRAIN_KERNELS", "off")
    assert layer.explain().endswith(
        f"in a scan on {library.NAME}, because REFRAIN_KERNELS=off"
    )


def test_an_unknown_wish_is_an_error(monkeypatch):
    layer = layers.LSTM(4)
    monkeypatch.setenv("REFRAIN_KERNELS", "nonsense")
    text = "REFRAIN_KERNELS: expected off or require, received 'nonsense'"
    with pytest.raises(KernelError, match=text):
        layer.explain()
    with pytest.raises(KernelError, match=text):
        layer(ops.ones((2, 3, 5)))
