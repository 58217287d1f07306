"""Compiles LLVM IR to object code, and loads object code into this process.

The two are apart so that object code can wait on disk between them: loading neither
optimises nor generates anything.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import binding as llvm

from refrain.emit.llvm.vectors import Target
from refrain.errors import KernelError
from refrain.runtime.locks import Lock

OPTIMISATION = 2

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()


def compile_object(text: str, target: Target) -> bytes:
    """Optimise LLVM IR and turn it into object code.

    Args:
        text: a module as LLVM writes it.
        target: the processor; the module was emitted for the same one.

    Raises:
        KernelError: LLVM rejects the module; a fault of the package.
    """
    module, machine = _optimised(text, target)
    return machine.emit_object(module)


def assembly(text: str, target: Target) -> str:
    """What `compile_object` makes of a module, as text to read."""
    module, machine = _optimised(text, target)
    return machine.emit_assembly(module)


class Library:
    """Object code loaded into this process, where it stays until the process ends.

    Raises:
        KernelError: it is not object code, or is code for another system.
    """

    def __init__(self, code: bytes, target: Target):
        if target.triple != (here := llvm.get_process_triple()):
            raise KernelError(f"code for {target.triple} cannot run on {here}")
        linker = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
        with _lock:
            self._name = f"library{len(_kept)}"
            try:
                _kept.append(linker.link(_session(), self._name))
            except RuntimeError as error:
                raise KernelError(f"cannot load compiled code: {error}") from error

    def address(self, name: str) -> int:
        """The address of a function or of a global variable.

        Raises:
            KernelError: the code defines no such name.
        """
        with _lock:
            try:
                _kept.append(_session().lookup(self._name, name))
            except RuntimeError as error:
                raise KernelError(f"compiled code has no {name}: {error}") from error
            return _kept[-1][name]


# Callers hold bare addresses. A library is unloaded as soon as any one of the handles
# that llvmlite makes for it is collected, those of mere look-ups included.
_kept: list[Any] = []
_lock = Lock()


@cache
def _session() -> Any:
    """The linker that all libraries share."""
    # JITLink puts a library into one block of memory. The other linker places code
    # and constants apart; more than 2 GiB apart, in a process with much in memory,
    # code cannot reach its constants and LLVM ends the process.
    return llvm.create_lljit_compiler(use_jit_link=True)


def _optimised(text: str, target: Target) -> tuple[Any, Any]:
    # Code must reach its constants wherever it is loaded, hence `pic`.
    machine = llvm.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu,
        features=target.features,
        opt=OPTIMISATION,
        reloc="pic",
        codemodel="default",
    )
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise KernelError(f"LLVM rejects the emitted code: {error}") from error
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    # Emitted code is vectorised and unrolled as the plan wants it.
    options = llvm.PipelineTuningOptions(speed_level=OPTIMISATION)
    options.loop_vectorization = options.slp_vectorization = False
    options.loop_interleaving = options.loop_unrolling = False
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    return module, machine
