"""Emits a handler that XLA calls from inside a compiled computation.

XLA's typed foreign-function interface hands over a call frame: 8-byte words whose
layout is fixed by its C header (jaxlib/include/xla/ffi/api/c_api.h). Work is shared
out on XLA's own threads: whoever is free claims the next range, so that the handler
waits only for ranges that somebody works on, never for a thread.
"""

from __future__ import annotations

from llvmlite import ir

from refrain.emit.llvm.code import I32, I64, PTR
from refrain.emit.llvm.job import (
    BATCH,
    BUSY,
    DONE,
    GRAIN,
    NEXT,
    POINTERS,
    RANGES,
    TIMESTEPS,
    UNITS,
    USERS,
    Words,
    emit_worker,
)

# Words of the call frame and of what it points to.
_FRAME_EXTENSION, _FRAME_API, _FRAME_CONTEXT, _FRAME_ARGS, _FRAME_RETS = 1, 2, 3, 9, 14
_METADATA, _METADATA_VERSION, _METADATA_TRAITS = 3, 3, 4
_API_VERSION, _API_SCHEDULE, _API_THREADS = 4, 17, 18
_BUFFER_DATA, _BUFFER_DIMS = 3, 5

LIMIT = "refrain_threads"  # a global of the module: threads at most; 0: no limit


def emit_handler(
    module: ir.Module,
    name: str,
    inputs: int,
    outputs: int,
    work: int,
    tasks: int | None,
) -> None:
    """Add `<name>_xla` to a module that has `<name>_run` (and `<name>_prepare`).

    Also adds `<name>_worker`, which does ranges of a job until none is left.

    Args:
        module: the module.
        name: of the program.
        inputs: number of arguments; the first is `(batch, timesteps, ...)`.
        outputs: number of results.
        work: multiply-adds of one step of one sample.
        tasks: the work is this many tasks; None where it is the samples of a batch,
            and `<name>_prepare` comes first.
    """
    if LIMIT not in module.globals:
        limit = ir.GlobalVariable(module, I64, LIMIT)
        limit.initializer = ir.Constant(I64, 0)
    worker = emit_worker(module, name, tasks is not None)
    function = ir.Function(module, ir.FunctionType(PTR, [PTR]), f"{name}_xla")
    w = _Frame(ir.IRBuilder(function.append_basic_block("entry")), module)
    frame = function.args[0]
    w.answer_metadata(frame)
    job = w.call("malloc", PTR, [w.int(8 * (POINTERS + inputs + outputs))])
    for k in range(inputs):
        data = w.word(w.get(w.get(frame, _FRAME_ARGS), k), _BUFFER_DATA)
        w.put(job, POINTERS + k, data)
    for k in range(outputs):
        data = w.word(w.get(w.get(frame, _FRAME_RETS), k), _BUFFER_DATA)
        w.put(job, POINTERS + inputs + k, data)
    shape = w.get(w.get(w.get(frame, _FRAME_ARGS), 0), _BUFFER_DIMS)
    batch, timesteps = w.word(shape, 0), w.word(shape, 1)
    units = batch if tasks is None else w.int(tasks)
    pointers = w.b.gep(job, [w.int(POINTERS)], source_etype=I64)
    if tasks is None:
        prepare = module.globals[f"{name}_prepare"]
        w.b.call(prepare, [pointers, batch, timesteps, w.int(0), units])
    grains = w.b.sdiv(w.b.mul(w.b.mul(batch, timesteps), w.int(work)), w.int(GRAIN))
    threads = w.smaller(w.threads(frame, grains), units)
    ranges = units if tasks is not None else threads
    values = {NEXT: 0, DONE: 0, USERS: 1, BUSY: 0, RANGES: ranges, UNITS: units}
    values |= {BATCH: batch, TIMESTEPS: timesteps}
    for index, value in values.items():
        w.put(job, index, w.int(value))
    w.schedule(frame, worker, job, w.b.sub(threads, w.int(1)))
    w.put_atomic_add(job, USERS, 1)  # the worker below gives one up again
    w.b.call(worker, [job])
    w.wait_until_done(job)
    w.leave(job)
    w.b.ret(ir.Constant(PTR, None))


class _Frame(Words):
    """Reads the call frame, and calls what it offers."""

    def answer_metadata(self, frame: ir.Value) -> None:
        """XLA asks once for the version of its interface that the handler speaks."""
        extension = self.get(frame, _FRAME_EXTENSION)
        asked = self.b.icmp_unsigned("!=", extension, ir.Constant(PTR, None))
        with self.b.if_then(asked):
            metadata = self.get(extension, _METADATA)
            version = self.word(self.get(frame, _FRAME_API), _API_VERSION)
            self.put(metadata, _METADATA_VERSION, version)
            traits = self.b.gep(
                metadata, [self.int(2 * _METADATA_TRAITS)], source_etype=I32
            )
            self.b.store(ir.Constant(I32, 0), traits)
            self.b.ret(ir.Constant(PTR, None))

    def threads(self, frame: ir.Value, wanted: ir.Value) -> ir.Value:
        """Threads of XLA's pool: those wanted, or at most the user's limit."""
        found, request = self.room(1), self.room(4)
        self.put(found, 0, self.int(1))
        self.put(request, 0, self.int(32))
        self.put(request, 1, self.int(0))
        self.put(request, 2, self.word(frame, _FRAME_CONTEXT))
        self.put(request, 3, found)
        self._ask(frame, _API_THREADS, request)
        count = self.word(found, 0)
        limit = self.b.load(self.module.globals[LIMIT], typ=I64)
        limited = self.b.icmp_signed(">", limit, self.int(0))
        wanted = self.larger(self.b.select(limited, limit, wanted), self.int(1))
        return self.smaller(count, wanted)

    def schedule(self, frame, worker: ir.Function, job, count: ir.Value) -> None:
        """Ask XLA to run the worker on `count` more threads."""
        function = self.b.function
        head, body, done = (
            function.append_basic_block(n) for n in ("ask", "one", "all")
        )
        request = self.room(5)
        before = self.b.block
        self.b.branch(head)
        self.b.position_at_end(head)
        index = self.b.phi(I64)
        index.add_incoming(self.int(0), before)
        self.b.cbranch(self.b.icmp_signed("<", index, count), body, done)
        self.b.position_at_end(body)
        self.put_atomic_add(job, USERS, 1)
        self.put(request, 0, self.int(40))
        self.put(request, 1, self.int(0))
        self.put(request, 2, self.word(frame, _FRAME_CONTEXT))
        self.put(request, 3, worker)
        self.put(request, 4, job)
        refused = self._ask(frame, _API_SCHEDULE, request)
        null = ir.Constant(PTR, None)
        with self.b.if_then(self.b.icmp_unsigned("!=", refused, null)):
            self.put_atomic_add(job, USERS, -1)
        index.add_incoming(self.b.add(index, self.int(1)), self.b.block)
        self.b.branch(head)
        self.b.position_at_end(done)

    def wait_until_done(self, job: ir.Value) -> None:
        """Wait for the ranges that other threads have claimed."""
        head = self.b.function.append_basic_block("wait")
        rest = self.b.function.append_basic_block("rest")
        done = self.b.function.append_basic_block("complete")
        self.b.branch(head)
        self.b.position_at_end(head)
        finished = self.put_atomic_add(job, DONE, 0)
        complete = self.b.icmp_signed(">=", finished, self.word(job, RANGES))
        self.b.cbranch(complete, done, rest)
        self.b.position_at_end(rest)
        self.call("sched_yield", I32, [])
        self.b.branch(head)
        self.b.position_at_end(done)

    def _ask(self, frame: ir.Value, entry: int, request: ir.Value) -> ir.Value:
        """Call a function of XLA's interface; null is success."""
        kind = ir.FunctionType(PTR, [PTR]).as_pointer()
        slot = self.slot(self.get(frame, _FRAME_API), entry)
        return self.b.call(self.b.load(slot, typ=kind), [request])
