"""Every primitive has a rule for ONNX, and means there what it means in NumPy."""

import numpy as np
import pytest

from refrain.export.primitives import RULES, write_nodes
from refrain.export.session import finish, run
from refrain.export.writer import Writer, value_info
from refrain.graph.functions import expm1, log1p
from refrain.graph.graph import leaf
from refrain.graph.node import building
from refrain.graph.ops import OPS, op
from tests.test_architecture import LOOKING_UP, operands_of


def test_every_primitive_has_a_rule():
    assert set(RULES) == set(OPS) - {"leaf", "constant"} - LOOKING_UP


def computed(node, arrays):
    """What ONNX Runtime makes of a node, whose leaves are `v0`, `v1`, ..."""
    w = Writer()
    operands = {n: f"v{k}" for k, n in enumerate(node.inputs)}
    w.rename(write_nodes(w, [node], operands, {})[node], "y")
    feed = {f"v{k}": np.asarray(a, "float32") for k, a in enumerate(arrays)}
    inputs = [value_info(n, a.shape) for n, a in feed.items()]
    boolean = node.dtype == "bool"
    output = value_info("y", [None, None], 9 if boolean else 1)
    (found,) = run(finish(w, "one", inputs, [output]), feed)
    return found["y"]


@pytest.mark.parametrize("name", sorted(set(RULES) - {"where"}))
def test_primitive_means_the_same(name, rng):
    two = {"outer": [("units",)] * 2, "matmul_transposed": [("units",), ("units",) * 2]}
    if name in two:
        symbolic, shapes = two[name], [(4, 3), (4, 3) if name == "outer" else (3, 3)]
    else:
        symbolic, shapes = zip(*operands_of(name), strict=True)
    arrays = [rng.uniform(0.2, 0.9, shape) for shape in shapes]
    with building():
        node = op(name, *(leaf(f"v{k}", shape) for k, shape in enumerate(symbolic)))
    found = computed(node, arrays)
    expected = np.broadcast_to(OPS[name].value(*arrays), found.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_choice_means_the_same(rng):
    a, b = rng.normal(size=(2, 3, 4))
    with building():
        x, y = leaf("v0", ("units",)), leaf("v1", ("units",))
        node = op("where", x > y, x, -y)
    w = Writer()
    names = write_nodes(w, [node], {x: "v0", y: "v1"}, {})
    w.rename(names[node], "y")
    inputs = [value_info(n, (3, 4)) for n in ("v0", "v1")]
    feed = {"v0": a.astype("float32"), "v1": b.astype("float32")}
    (found,) = run(finish(w, "one", inputs, [value_info("y", (3, 4))]), feed)
    np.testing.assert_allclose(found["y"], np.where(a > b, a, -b), rtol=1e-6)


@pytest.mark.parametrize("function", [expm1, log1p], ids=lambda f: f.__name__)
def test_function_without_an_operator_is_exact_near_zero_and_far_away(function):
    with building():
        node = function(leaf("v0", ("units",)))
    size = np.logspace(-30, 1.5, 200)
    x = np.concatenate([-size[size < 1], size, [0.0]]).astype("float32")[None]
    expected = node.op.value(x.astype("float64"))
    np.testing.assert_allclose(computed(node, [x]), expected, rtol=1e-6, atol=0)
    limits = np.array([[np.inf, -1.0]], "float32")
    with np.errstate(divide="ignore"):
        expected = node.op.value(limits)
    np.testing.assert_allclose(computed(node, [limits]), expected, rtol=1e-6)
