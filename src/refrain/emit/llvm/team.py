"""Emits a step for two threads: a leader, and an assistant that joins when it can.

Blocks of units of a product are claimed one by one, by the leader from the first one on
and by the assistant from the last one on, so that each finds the same weights in its
own cache at every step. The leader never waits for the assistant, but for blocks that
it has claimed: an assistant that sleeps, that the system has set aside, or that stayed
behind in a fork costs nothing. What a block computes does not depend on who does it.

Both share `WORDS` words of 8 bytes. The number of a job is odd while its other words
are written. Products are numbered on from job to job, and claims bear the number, so
that an assistant that comes late to a product claims nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from llvmlite import ir

from refrain.emit.llvm.code import ENTRY, I32, I64, PTR, VOID, Code
from refrain.emit.llvm.control import flush_denormals
from refrain.emit.llvm.standalone import Bound, Memory, Weights
from refrain.emit.llvm.sweep import Sweep
from refrain.emit.llvm.time_loop import TimeLoop
from refrain.emit.llvm.vectors import Target
from refrain.graph.node import Node
from refrain.plan.program import Part, Program

# Words that are written by one and read by the other lie in cache lines of their own.
_NUMBER, _FIRST, _STEPS, _STREAM, _WEIGHTS, _X, _Y = range(7)
_CLAIMS, DONE, ASLEEP = 8, 16, 24
_NEXT, _TAKEN = 32, 33  # the leader's own
_SEEN = 40  # the assistant's own
WORDS = 48
_HALF = 12  # bits of a block's number
_MOST = (1 << _HALF) - 1
_BLOCKS = (1 << 2 * _HALF) - 1  # in claims: the next one from the front, from the back
_PAUSES = 2000  # some 100 µs: then the assistant sleeps, and the leader lets others run


def emit_team(
    module: ir.Module,
    name: str,
    program: Program,
    parts: dict[Node, Part],
    target: Target,
    weights: Weights,
    memory: Memory,
) -> None:
    """Add `<name>_lead` and `<name>_assist` to a module.

    `<name>_lead(stream, weights, x, steps, y, words)` does as many steps. Meanwhile
    another thread may be in `<name>_assist(words)`, which returns when no job came for
    a while, with the word `ASLEEP` set to 1.
    """
    kind = ir.FunctionType(VOID, [*ENTRY.args, I64, PTR])
    bounds = []
    for loop in (_Leader, _Assistant):
        role = loop.__name__.lower()
        function = ir.Function(module, kind, f"{name}{role}")
        function.linkage = "internal"
        loop(Code(function, target), program, parts).emit()
        bounds.append(Bound(function, program, memory, weights))
    leader, assistant = bounds
    _emit_lead(module, f"{name}_lead", leader, target)
    _emit_assist(module, f"{name}_assist", assistant, target)


class _Shared:
    """The words that both read and write while the other runs."""

    def __init__(self, code: Code, first: ir.Value):
        self.code, self.first = code, first

    def load(self, index: int) -> ir.Value:
        return self.code.b.load_atomic(self._slot(index), "acquire", 8, typ=I64)

    def store(self, index: int, value: int | ir.Value) -> None:
        # An exchange: llvmlite's atomic store does not take opaque pointers.
        slot, value = self._slot(index), self.code.int(value)
        self.code.b.atomic_rmw("xchg", slot, value, "seq_cst")

    def swap(self, index: int, old: ir.Value, new: ir.Value) -> ir.Value:
        """Put a value in place of the old one; whether that was still there."""
        b = self.code.b
        found = b.cmpxchg(self._slot(index), old, new, "acq_rel", "acquire")
        return b.extract_value(found, 1)

    def pause(self) -> None:
        """Tell the processor that a thread waits for another one."""
        if self.code.module.triple.startswith(("x86_64", "i686", "i386")):
            self.code.call("llvm.x86.sse2.pause", VOID, [])

    def give_way(self) -> None:
        """Let another thread run on this processor, if one waits for it."""
        self.code.call("sched_yield", I32, [])

    def _slot(self, index: int) -> ir.Value:
        return self.code.b.gep(self.first, [self.code.int(index)], source_etype=I64)


def _products(program: Program) -> int:
    """How many products of a step are shared."""
    return sum(bool(stage.loops and stage.stores) for stage in program.stages)


class _Sharing(TimeLoop):
    """A time loop whose products are shared between two."""

    def __init__(self, code: Code, program: Program, parts: dict[Node, Part]):
        super().__init__(code, program, parts)
        *_, self.first_product, words = code.function.args
        self.words = _Shared(code, words)
        self.products = 0  # so far in the step

    def _number(self) -> ir.Value:
        """The next product's number, where claims have it."""
        code = self.code
        before = code.add(self.first_product, self.products)
        self.products += 1
        steps = code.mul(self.moment, _products(self.program))
        return code.b.shl(code.add(before, steps), code.int(2 * _HALF))

    def _claims(self) -> tuple[ir.Value, ir.Value, ir.Value]:
        """Claims, and in them the next block from the front and from the back."""
        b, code = self.code.b, self.code
        claims = self.words.load(_CLAIMS)
        front = b.and_(b.lshr(claims, code.int(_HALF)), code.int(_MOST))
        return claims, front, b.and_(claims, code.int(_MOST))

    def _places(self, *names: str) -> list[ir.Block]:
        return [self.code.function.append_basic_block(name) for name in names]


class _Leader(_Sharing):
    @contextmanager
    def blocks(self, count: int) -> Iterator[ir.Value]:
        code, b, words = self.code, self.code.b, self.words
        number = self._number()
        if count > _MOST:  # too many to number
            with code.loop(0, count) as j:
                yield j
            return
        words.store(_CLAIMS, b.or_(number, code.int(count)))
        claim, take, work, rest = self._places("claim", "take", "work", "rest")
        b.branch(claim)
        b.position_at_end(claim)
        claims, front, back = self._claims()
        b.cbranch(b.icmp_signed("<", front, back), take, rest)
        b.position_at_end(take)
        got = words.swap(_CLAIMS, claims, code.add(claims, 1 << _HALF))
        b.cbranch(got, work, claim)
        b.position_at_end(work)
        yield front
        b.branch(claim)
        b.position_at_end(rest)
        taken = code.add(words.load(_TAKEN), code.sub(count, back))
        words.store(_TAKEN, taken)
        self._wait(taken)

    def _wait(self, taken: ir.Value) -> None:
        """Wait until the assistant has done what it has claimed."""
        code, b, words = self.code, self.code.b, self.words
        look, wait, over = self._places("look", "wait", "over")
        before = b.block
        b.branch(look)
        b.position_at_end(look)
        looks = b.phi(I64)
        looks.add_incoming(code.int(0), before)
        b.cbranch(b.icmp_signed("==", words.load(DONE), taken), over, wait)
        b.position_at_end(wait)
        words.pause()
        with b.if_then(b.icmp_signed(">", looks, code.int(_PAUSES))):
            words.give_way()
        looks.add_incoming(code.add(looks, 1), b.block)
        b.branch(look)
        b.position_at_end(over)


class _Assistant(_Sharing):
    def emit(self) -> None:
        with flush_denormals(self.code), self.code.loop(0, self.timesteps) as step:
            self.moment = step
            for stage in self.program.stages:
                if stage.loops:
                    Sweep(self, stage).emit()
        self.code.b.ret_void()

    @contextmanager
    def blocks(self, count: int) -> Iterator[ir.Value]:
        code, b, words = self.code, self.code.b, self.words
        number = self._number()
        if count > _MOST:
            with code.loop(0, 0) as j:
                yield j
            return
        claim, early, late, take, work, over = self._places(
            "claim", "early", "late", "take", "work", "over"
        )
        b.branch(claim)
        b.position_at_end(claim)
        claims, front, back = self._claims()
        ahead = code.sub(b.and_(claims, code.int(~_BLOCKS)), number)
        b.cbranch(b.icmp_signed("<", ahead, code.int(0)), early, late)
        b.position_at_end(early)
        words.pause()
        b.branch(claim)
        b.position_at_end(late)
        now = b.icmp_signed("==", ahead, code.int(0))
        left = b.and_(now, b.icmp_signed("<", front, back))
        b.cbranch(left, take, over)
        b.position_at_end(take)
        got = words.swap(_CLAIMS, claims, code.sub(claims, 1))
        b.cbranch(got, work, claim)
        b.position_at_end(work)
        yield code.sub(back, 1)
        words.store(DONE, code.add(words.load(DONE), 1))
        b.branch(claim)
        b.position_at_end(over)


def _emit_lead(module: ir.Module, name: str, leader: Bound, target: Target) -> None:
    kind = ir.FunctionType(VOID, [PTR, PTR, PTR, I64, PTR, PTR])
    code = Code(ir.Function(module, kind, name), target)
    stream, array, x, steps, y, shared = code.function.args
    words = _Shared(code, shared)
    number, first = words.load(_NUMBER), words.load(_NEXT)
    words.store(_NEXT, code.add(first, code.mul(steps, _products(leader.program))))
    pointers = {_STREAM: stream, _WEIGHTS: array, _X: x, _Y: y}
    job = {index: code.b.ptrtoint(p, I64) for index, p in pointers.items()}
    words.store(_NUMBER, code.add(number, 1))
    for index, value in {_FIRST: first, _STEPS: steps, **job}.items():
        words.store(index, value)
    words.store(_NUMBER, code.add(number, 2))
    leader.call(code, stream, array, x, steps, y, first, shared)
    code.b.ret_void()


def _emit_assist(
    module: ir.Module, name: str, assistant: Bound, target: Target
) -> None:
    code = Code(
        ir.Function(module, ir.FunctionType(VOID, [PTR]), name),
        target,
    )
    b, (shared,) = code.b, code.function.args
    words = _Shared(code, shared)
    look, read, work, idle, sleep = (
        code.function.append_basic_block(n)
        for n in ("look", "read", "work", "idle", "sleep")
    )
    words.store(ASLEEP, 0)
    before = b.block
    b.branch(look)
    b.position_at_end(look)
    looks = b.phi(I64)
    looks.add_incoming(code.int(0), before)
    number = words.load(_NUMBER)
    whole = b.icmp_signed("==", b.and_(number, code.int(1)), code.int(0))
    fresh = b.icmp_signed("!=", number, words.load(_SEEN))
    b.cbranch(b.and_(whole, fresh), read, idle)
    b.position_at_end(read)
    job = [words.load(k) for k in (_FIRST, _STEPS, _STREAM, _WEIGHTS, _X, _Y)]
    same = b.icmp_signed("==", words.load(_NUMBER), number)
    b.cbranch(same, work, look)
    looks.add_incoming(code.int(0), read)
    b.position_at_end(work)
    words.store(_SEEN, number)
    first, steps, *addresses = job
    stream, array, x, y = (b.inttoptr(address, PTR) for address in addresses)
    assistant.call(code, stream, array, x, steps, y, first, shared)
    b.branch(look)
    looks.add_incoming(code.int(0), b.block)
    b.position_at_end(idle)
    words.pause()
    more = code.add(looks, 1)
    b.cbranch(b.icmp_signed("<", more, code.int(_PAUSES)), look, sleep)
    looks.add_incoming(more, idle)
    b.position_at_end(sleep)
    words.store(ASLEEP, 1)
    b.ret_void()
