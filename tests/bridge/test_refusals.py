"""Wrong arrays are refused in words, before native code sees them.

`test_backends.py` runs this file once more for every other array library.
"""

import numpy as np
import pytest

from refrain import cells
from refrain.errors import KernelError
from refrain.runtime.driver import Request
from tests.bridge import library
from tests.bridge.reference import random_point

REQUEST = Request(cells.lstm(6), 4, mask="hold", dropout=("recurrent_dropout",))


def recurrent(rng, **changes):
    """Call a bridge with arrays of which some are changed, or left out."""
    point = random_point(REQUEST, rng)

    def changed(group):
        new = {n: changes.get(n, lambda a: a)(a) for n, a in group.items()}
        return {n: library.array(a) for n, a in new.items() if a is not None}

    states = list(changed(point.states).values())
    return library.bridge.recurrent(
        REQUEST, changed(point.inputs), changed(point.variables), states
    )


def test_right_arrays_are_taken(rng):
    y, last, _ = recurrent(rng)
    assert tuple(y.shape) == (3, 5, 6)
    assert list(last) == ["h", "c", "held"]


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        (
            "x",
            lambda a: a[0],
            r"x: expected \(batch, timesteps, 4\), received \(5, 4\)",
        ),
        (
            "x",
            lambda a: a[..., :3],
            r"x: expected .*\(3, 5, 4\), received .*\(3, 5, 3\)",
        ),
        ("x", lambda a: a.swapaxes(1, 2), r"x: expected .*\(3, 4, 4\)"),
        ("mask", lambda a: a[:, 1:], r"mask: expected .*\(3, 5\), .*\(3, 4\)"),
        ("mask", lambda _: None, "mask: expected an array, received none"),
        (
            "recurrent_dropout",
            lambda a: a[:2],
            r"recurrent_dropout: expected .*\(3, 6\)",
        ),
        (
            "kernel",
            lambda a: a.T,
            r"kernel: expected .*\(4, 24\), received .*\(24, 4\)",
        ),
        ("bias", lambda a: a[:-1], r"bias: expected .*\(24,\), received .*\(23,\)"),
        ("h", lambda a: a.T, r"first_h: expected .*\(3, 6\), received .*\(6, 3\)"),
        ("c", lambda _: None, "expected 2 states, received 1"),
        ("c", lambda a: a.astype("float16"), "first_c: expected float32 .*float16"),
        ("x", lambda a: a.astype("int32"), "x: expected float32 .*, received int32"),
    ],
)
def test_wrong_arrays_are_refused(name, change, text, rng):
    with pytest.raises(KernelError, match=text):
        recurrent(rng, **{name: change})


def test_a_kernel_takes_no_other_float(rng):
    point = random_point(REQUEST, rng)
    halves = [
        {n: library.array(a.astype("float16")) for n, a in group.items()}
        for group in (point.inputs, point.variables, point.states)
    ]
    with pytest.raises(KernelError, match=r"x: expected float32 .*, received float16"):
        library.bridge.recurrent(REQUEST, *halves[:2], list(halves[2].values()))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int32"])
def test_bridges_serve_float32_and_float64_alone(dtype):
    reason = library.bridge.serves(dtype)
    assert reason == f"kernels compute in float32 and float64, not in {dtype}"
    assert library.bridge.serves("float32") is None
    assert library.bridge.serves("float64") is None


def test_what_is_not_contiguous_is_read_as_it_is_indexed(rng):
    point = random_point(Request(cells.gru(3), 2), rng)
    wide = np.repeat(point.inputs["x"], 2, axis=1)
    x = library.array(wide)[:, ::2]
    arguments = (
        {n: library.array(a) for n, a in group.items()}
        for group in (point.variables, point.states)
    )
    variables, states = arguments
    y, *_ = library.bridge.recurrent(
        point.request, {"x": x}, variables, list(states.values())
    )
    plain = {"x": library.array(point.inputs["x"])}
    same, *_ = library.bridge.recurrent(
        point.request, plain, variables, list(states.values())
    )
    assert np.array_equal(np.asarray(y), np.asarray(same))
