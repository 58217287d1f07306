"""Emits a job: work that threads share, whoever brings them.

Whoever is free claims the next range, so that nobody waits for a thread, only for
ranges that somebody works on. Threads of one job keep off each other's processors:
Linux may wake one on the processor that wakes it, and leave both there until both are
done.
"""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from refrain.emit.llvm.code import I32, I64, PTR, VOID, Integers

# Words of a job, which lives on the heap until its last thread leaves it.
NEXT, DONE, USERS, BUSY, RANGES, UNITS, BATCH, TIMESTEPS, POINTERS = range(9)
GRAIN = 1 << 22  # multiply-adds for which it is worth it to wake another thread
_MASK_WORDS = 16  # of a set of processors, as Linux's C libraries have it


def job_words(
    pointers: Sequence[int], ranges: int, units: int, batch: int, timesteps: int
) -> list[int]:
    """A job as workers read it, for a caller that keeps and frees it itself."""
    values = {RANGES: ranges, UNITS: units, BATCH: batch, TIMESTEPS: timesteps}
    values[USERS] = units + 1  # one more than can leave it
    return [*(values.get(k, 0) for k in range(POINTERS)), *pointers]


def emit_worker(module: ir.Module, name: str, single: bool) -> ir.Function:
    """A thread's part: claim ranges until none is left, then leave the job."""
    function = ir.Function(module, ir.FunctionType(VOID, [PTR]), f"{name}_worker")
    (job,) = function.args
    w = Words(ir.IRBuilder(function.append_basic_block("entry")), module)
    claim, work, done = (
        function.append_basic_block(n) for n in ("claim", "work", "done")
    )
    with w.b.if_then(w.b.icmp_signed("<", w.word(job, NEXT), w.word(job, RANGES))):
        _step_aside(w, job)
    w.b.branch(claim)
    w.b.position_at_end(claim)
    number = w.put_atomic_add(job, NEXT, 1)
    ranges, units = w.word(job, RANGES), w.word(job, UNITS)
    w.b.cbranch(w.b.icmp_signed("<", number, ranges), work, done)
    w.b.position_at_end(work)
    following = w.b.add(number, w.int(1))
    first, end = number, following
    if not single:
        first = w.b.sdiv(w.b.mul(number, units), ranges)
        end = w.b.sdiv(w.b.mul(following, units), ranges)
    pointers = w.b.gep(job, [w.int(POINTERS)], source_etype=I64)
    run = module.globals[f"{name}_run"]
    batch, timesteps = w.word(job, BATCH), w.word(job, TIMESTEPS)
    w.b.call(run, [pointers, batch, timesteps, first, end])
    w.put_atomic_add(job, DONE, 1)
    w.b.branch(claim)
    w.b.position_at_end(done)
    w.leave(job)
    w.b.ret_void()
    return function


def _step_aside(w: Words, job: ir.Value) -> None:
    """Move to another processor if a thread of the job is on this one.

    The thread is forbidden this processor for a moment, and may come back after it.
    Whoever waits for this one to be free gets a turn, to do the same.
    """
    if "linux" not in w.module.triple:
        return
    here, taken = w.take_processor(job)
    size, mask = w.int(8 * _MASK_WORDS), w.room(_MASK_WORDS)
    with w.b.if_then(taken):
        mine = ir.Constant(I32, 0)  # this thread; as an answer: done
        refused = w.call("sched_getaffinity", I32, [mine, size, mask])
        with w.b.if_then(w.b.icmp_signed("==", refused, mine)):
            place = w.b.lshr(here, w.int(6))
            allowed = w.word(mask, place)
            w.put(mask, place, w.b.and_(allowed, w.b.not_(w.bit(here))))
            w.call("sched_setaffinity", I32, [mine, size, mask])
            w.put(mask, place, allowed)
            w.call("sched_setaffinity", I32, [mine, size, mask])
            w.take_processor(job)
    w.call("sched_yield", I32, [])


class Words(Integers):
    """Reads and writes 8-byte words."""

    def __init__(self, builder: ir.IRBuilder, module: ir.Module):
        self.b = builder
        self.module = module

    def slot(self, base: ir.Value, index: int | ir.Value) -> ir.Value:
        return self.b.gep(base, [self.int(index)], source_etype=I64)

    def word(self, base: ir.Value, index: int | ir.Value) -> ir.Value:
        return self.b.load(self.slot(base, index), typ=I64)

    def get(self, base: ir.Value, index: int) -> ir.Value:
        return self.b.load(self.slot(base, index), typ=PTR)

    def put(self, base: ir.Value, index: int | ir.Value, value: ir.Value) -> None:
        if isinstance(value.type, ir.PointerType):
            value = self.b.ptrtoint(value, I64)
        self.b.store(value, self.slot(base, index))

    def put_atomic_add(self, base: ir.Value, index: int, value: int) -> ir.Value:
        """Add to a shared word; return what it was."""
        slot = self.slot(base, index)
        return self.b.atomic_rmw("add", slot, self.int(value), "seq_cst")

    def room(self, words: int) -> ir.Value:
        """Words on the stack."""
        return self.b.alloca(I64, words)

    def bit(self, number: ir.Value) -> ir.Value:
        """A word with one bit of its 64 set: that of a number's last six."""
        return self.b.shl(self.int(1), self.b.and_(number, self.int(63)))

    def take_processor(self, job: ir.Value) -> tuple[ir.Value, ir.Value]:
        """Say that a thread is here; return the processor, and if one was before."""
        here = self.b.zext(self.call("sched_getcpu", I32, []), I64)
        bit = self.bit(here)
        busy = self.b.atomic_rmw("or", self.slot(job, BUSY), bit, "seq_cst")
        taken = self.b.icmp_unsigned("!=", self.b.and_(busy, bit), self.int(0))
        known = self.b.icmp_unsigned("<", here, self.int(64 * _MASK_WORDS))
        return here, self.b.and_(taken, known)

    def leave(self, job: ir.Value) -> None:
        """Give up one use of the job; the last one frees it."""
        users = self.put_atomic_add(job, USERS, -1)
        with self.b.if_then(self.b.icmp_signed("==", users, self.int(1))):
            self.call("free", VOID, [job])
