"""Code for other processors: equal on those that run here, object code for others."""

import re

import numpy as np
import pytest
from llvmlite import binding as llvm

from refrain import cells
from refrain.emit.llvm.vectors import Isa, Target, host_isas
from refrain.errors import KernelError
from refrain.runtime import driver
from refrain.runtime.compile import Library, assembly, compile_object
from refrain.runtime.driver import Request
from tests.runtime.reference import assert_equals_interpreter, normalised

WIDEST, *SMALLER = [isa.name for isa in host_isas()]
CELLS = [cells.lstm, cells.gru, normalised]


@pytest.fixture
def on_isa(monkeypatch):
    """Makes kernels for an instruction set of this machine."""
    host = Target.host

    def choose(isa: str) -> None:
        monkeypatch.setattr(Target, "host", lambda dtype: host(dtype, isa))
        monkeypatch.setattr(driver, "_kernels", {})

    return choose


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("isa", SMALLER)
@pytest.mark.parametrize("make", CELLS, ids=repr)
def test_kernel_for_a_smaller_isa_equals_the_interpreter(make, isa, dtype, rng, on_isa):
    on_isa(isa)
    assert_equals_interpreter(make, 5, 19, 7, 6, dtype, rng)


@pytest.mark.parametrize("isa", SMALLER)
@pytest.mark.parametrize("units", [1, 4, 8, 70])
def test_units_of_any_number_fit_the_vectors_of_a_smaller_isa(units, isa, rng, on_isa):
    on_isa(isa)
    assert_equals_interpreter(cells.lstm, 3, units, 5, 3, "float64", rng)


REGISTERS = {"avx512": "zmm", "avx2": "ymm", "sse": "xmm"}


@pytest.mark.skipif(WIDEST not in REGISTERS, reason="registers are those of x86")
@pytest.mark.parametrize("isa", [WIDEST, *SMALLER])
def test_code_uses_the_registers_of_its_isa_and_no_wider_ones(isa):
    target = Target.host("float32", isa)
    text = assembly(module_for(target, training=False), target)
    wider = list(REGISTERS)[: list(REGISTERS).index(isa)]
    assert f"%{REGISTERS[isa]}" in text
    assert not any(f"%{REGISTERS[name]}" in text for name in wider)


def module_for(target, training):
    """A module of an LSTM with a mask, as LLVM writes it."""
    request = Request(cells.lstm(17), 5, target.dtype, training, mask="hold", rows=2)
    task, plan = driver._plan(request, target)
    return str(driver._module(task, plan, target))


@pytest.fixture
def arm():
    """A target of another architecture."""
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()

    def target(dtype: str) -> Target:
        width, triple = 16 // np.dtype(dtype).itemsize, "aarch64-unknown-linux-gnu"
        return Target(dtype, width, 32, triple, cpu="neoverse-n1", features="")

    return target


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_modules_for_arm_compile(dtype, arm):
    target = arm(dtype)
    code = compile_object(module_for(target, training=True), target)
    elf, aarch64 = b"\x7fELF", 183
    assert code[:4] == elf
    assert int.from_bytes(code[18:20], "little") == aarch64


def test_code_for_arm_fuses_and_flushes_denormals_as_arm_does(arm):
    target = arm("float32")
    text = assembly(module_for(target, training=False), target)
    assert re.search(r"fmla\s+v\d+\.4s", text)
    assert "FPCR" in text.upper()


def test_code_for_another_system_is_not_loaded(arm):
    target = arm("float32")
    if llvm.get_process_triple() == target.triple:
        pytest.skip("this is the other system")
    with pytest.raises(KernelError, match=r"code for aarch64\S* cannot run on "):
        Library(b"", target)


def test_an_isa_that_the_machine_does_not_run_is_refused():
    with pytest.raises(KernelError, match=rf"this machine runs .*{WIDEST}.*, not mmx"):
        Target.host("float32", "mmx")


def test_a_dtype_without_kernels_is_refused():
    with pytest.raises(KernelError, match="float32 or float64, not float16"):
        Target.host("float16")


@pytest.mark.parametrize("isa", host_isas(), ids=lambda isa: isa.name)
def test_vectors_fill_the_registers_of_an_isa(isa: Isa):
    for dtype in ("float32", "float64"):
        target = Target.host(dtype, isa.name)
        assert target.width * target.bytes == isa.bytes
        assert target.suffix == f"v{target.width}f{8 * target.bytes}"
