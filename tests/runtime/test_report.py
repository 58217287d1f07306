"""Reports tell what a kernel is, how much work it does, and how fast it runs."""

import math

import pytest

from refrain import cells
from refrain.cells import cell, scalar
from refrain.emit.llvm.vectors import Target
from refrain.functions import sigmoid
from refrain.plan.show import show
from refrain.runtime.driver import Request, _plan, kernel_for, tape_shapes
from refrain.runtime.report import describe, measure, programs_of

PROGRAMS = ["forward", "backward", "gathering"]


@cell(state="s", rate=scalar())
def leaky(x, s_prev, W, rate):
    """A cell linear in its state."""
    return sigmoid(rate) * s_prev + x @ W


def kernel_of(sized, features, **options):
    return kernel_for(Request(sized, features, rows=2, **options))


@pytest.mark.parametrize(("units", "features"), [(1, 7), (20, 40), (33, 1)])
@pytest.mark.parametrize(
    ("make", "gates"), [(cells.simple_rnn, 1), (cells.lstm, 4), (cells.gru, 3)]
)
def test_work_is_that_of_the_matrices(make, gates, units, features):
    """Forward, for the input and the state, and for the weights: once each."""
    once = gates * (features * units + units * units)
    kernel = kernel_of(make(units), features, training=True)
    work = {name: n.program.multiply_adds for name, n in programs_of(kernel)}
    assert work == dict.fromkeys(PROGRAMS, once)


def test_reset_before_the_product_does_the_same_work():
    sized = cells.gru(20, reset_after=False)
    kernel = kernel_of(sized, 7, training=True)
    assert kernel.forward.program.multiply_adds == 3 * (7 * 20 + 20 * 20)


def test_masks_and_last_outputs_add_no_work():
    plain = kernel_of(cells.lstm(20), 7)
    for options in ({"mask": "hold"}, {"mask": "zero"}, {"sequence": False}):
        other = kernel_of(cells.lstm(20), 7, **options)
        work = [k.forward.program.multiply_adds for k in (plain, other)]
        assert work[0] == work[1]


def test_only_the_programs_that_there_are_are_named():
    inference = kernel_of(cells.lstm(8), 3)
    training = kernel_of(cells.lstm(8), 3, training=True)
    assert [name for name, _ in programs_of(inference)] == ["forward"]
    assert [name for name, _ in programs_of(training)] == PROGRAMS


@pytest.mark.parametrize(
    "options",
    [{}, {"mask": "hold"}, {"dropout": ("dropout",)}, {"dtype": "float64"}],
    ids=str,
)
def test_speeds_are_finite_and_positive(options):
    kernel = kernel_of(cells.gru(20), 7, training=True, **options)
    speeds = measure(kernel, batch=3, timesteps=5)
    assert list(speeds) == PROGRAMS
    assert all(math.isfinite(speed) and speed > 0 for speed in speeds.values())


def test_one_sample_and_one_step_have_a_speed():
    speeds = measure(kernel_of(cells.lstm(1), 1), batch=1, timesteps=1)
    assert math.isfinite(speeds["forward"])
    assert speeds["forward"] > 0


def test_description_names_processor_size_and_work():
    kernel = kernel_of(cells.lstm(20), 7, training=True)
    first, second, *rest = describe(kernel).splitlines()
    target = kernel.target
    assert first == (
        f"kernel {kernel.name}: float32, {target.width} numbers a vector, {target.cpu}"
    )
    made = "loaded from the disk cache" if kernel.cached else "compiled"
    size = f"{kernel.size / 1024:.0f} KiB of code"
    assert second == f"  {made} in {kernel.seconds:.2f} s, {size}"
    work = "2,160 multiply-adds a step and sample"
    assert rest[:3] == [f"  {name}: {work}" for name in PROGRAMS]
    assert rest[3:] == [f"  {line}" for line in show(kernel.plan).splitlines()]


def test_description_tells_linear_cells_and_compiled_ones(tmp_path, monkeypatch):
    monkeypatch.setenv("REFRAIN_CACHE", str(tmp_path))
    text = describe(kernel_of(leaky(23), 3))
    assert "\n  compiled in " in text
    assert "\n  linear in its states, unit by unit\n" in text
    assert "linear" not in describe(kernel_of(cells.lstm(23), 3))


@pytest.mark.parametrize("make", cells.ALL, ids=repr)
def test_the_tape_that_is_told_is_that_of_the_kernel(make):
    request = Request(make(**dict.fromkeys(make.sizes, 32)), 3, training=True)
    shapes, target = tape_shapes(request), Target.host("float32")
    _, plan = _plan(request, target)
    stores = (place for stage in plan.forward.stages for _, place in stage.stores)
    width = max(p.offset + p.width for p in stores if p.buffer == "tape")
    told = sum(32 ** len(shape) for shape in shapes)
    padding = target.width * (1 + shapes.count(()))
    assert told <= width <= told + padding
