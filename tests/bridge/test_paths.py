"""Kernel or scan: both mean the same, the user's wish counts, and nobody is deceived.

`test_backends.py` runs this file once more for every other array library.
"""

from dataclasses import replace

import numpy as np
import pytest
from keras import ops

from refrain import cells, layers
from refrain.errors import KernelError
from refrain.graph.changes import Changes
from refrain.layers.paths import Run, run_cell
from refrain.layers.scan import Weights
from refrain.runtime.driver import Request
from tests.bridge import library
from tests.bridge.reference import random_point

MASKED = Request(cells.lstm(6), 4, mask="hold")
UNTRAINED = ("mask", "resets", "zoneout.h", "dropout", "recurrent_dropout.f")
ALL = replace(
    MASKED,
    dropout=("dropout", "recurrent_dropout.f"),
    zoneout=(("h", None), ("c", 0.3)),
    resets=True,
    trained_start=True,
    every_state=True,
)
UNMASKED = replace(ALL, mask=None, trained_start=False)


def run_of(request, **how):
    """The same of a layer."""
    changes = {n: getattr(request, n) for n in Changes.__dataclass_fields__}
    return Run(**{"sequence": True, "changes": Changes(**changes)} | how)


@pytest.fixture(params=["require", "off"])
def path(request, monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", request.param)


def slopes(point, run=None):
    """What a path results in, and gradients."""
    sized, features = point.request.sized, point.request.features

    def function(inputs, variables, states):
        inputs = dict(inputs)
        for name in {"mask", "resets"} & inputs.keys():
            inputs[name] = ops.greater(inputs[name], 0.5)
        declared = [*sized.variables(features), *sized.starts()]
        ran = run_cell(
            sized,
            inputs,
            list(states.values()),
            Weights([v for v in declared if v.name in variables], variables),
            run or run_of(point.request),
        )
        found = dict(zip(sized.cell.states, ran.last, strict=True))
        found = {"y": ran.outputs} | {f"last_{s}": a for s, a in found.items()}
        names = [f"every_{s}" for s in sized.cell.states]
        return found | dict(zip(names, ran.every, strict=False))

    groups = point.inputs, point.variables, point.states
    arriving = {n: a for n, a in point.arriving.items() if n != "last_held"}
    results, grads = library.slopes(function, groups, arriving)
    grads = {f"grad {n}": g for n, g in (grads or {}).items()}
    grads = {n: g for n, g in grads.items() if n.split(" ")[1] not in UNTRAINED}
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
@pytest.mark.parametrize("request_", [MASKED, ALL, UNMASKED], ids=["masked", "all", ""])
def test_both_paths_mean_the_same(request_, sequence, against_time, rng, monkeypatch):
    run = run_of(request_, sequence=sequence, against_time=against_time)
    point = random_point(request_, rng)
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
