"""What a kernel asks of the processor and of the operating system.

A state that decays towards zero ends in denormal numbers, which most processors
compute many times slower; within a kernel they count as zero, and the caller's mode is
put back. Memory for a long sequence comes fresh from the system at every call; in
pages of 2 MiB its first use costs a fraction.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir

from refrain.emit.llvm.code import I32, I64, PTR, VOID, Code

_PAGE, _LARGE_PAGE, _MADV_HUGEPAGE = 4096, 1 << 21, 14  # Linux
_X86_FLUSH = 0x8040  # MXCSR: denormal operands are zero, denormal results become zero
_ARM_FLUSH = 1 << 24  # FPCR: flush to zero


@contextmanager
def flush_denormals(code: Code) -> Iterator[None]:
    """Emit code that runs with denormals flushed to zero."""
    triple = code.module.triple
    if triple.startswith(("x86_64", "i686", "i386")):
        before = code.b.alloca(I32)
        inside = code.b.alloca(I32)
        code.call("llvm.x86.sse.stmxcsr", VOID, [before])
        mode = code.b.load(before, typ=I32)
        code.b.store(code.b.or_(mode, ir.Constant(I32, _X86_FLUSH)), inside)
        code.call("llvm.x86.sse.ldmxcsr", VOID, [inside])
        yield
        code.call("llvm.x86.sse.ldmxcsr", VOID, [before])
    elif triple.startswith(("aarch64", "arm64")):
        mode = code.call("llvm.aarch64.get.fpcr", I64, [])
        flush = code.b.or_(mode, ir.Constant(I64, _ARM_FLUSH))
        code.call("llvm.aarch64.set.fpcr", VOID, [flush])
        yield
        code.call("llvm.aarch64.set.fpcr", VOID, [mode])
    else:
        yield


def ask_for_large_pages(code: Code, pointer: ir.Value, size: ir.Value) -> None:
    """Emit a hint that some bytes will all be written; it changes nothing else."""
    if "linux" not in code.module.triple:
        return
    start = code.b.ptrtoint(pointer, I64)
    first = code.b.and_(code.add(start, _PAGE - 1), code.int(-_PAGE))
    last = code.b.and_(code.add(start, size), code.int(-_PAGE))
    length = code.sub(last, first)
    with code.b.if_then(code.b.icmp_signed(">", length, code.int(_LARGE_PAGE))):
        address = code.b.inttoptr(first, PTR)
        how = ir.Constant(I32, _MADV_HUGEPAGE)
        code.call("madvise", I32, [address, length, how])
