"""Processors that native code can be exported for, by name."""

from __future__ import annotations

from refrain.emit.llvm.vectors import Target
from refrain.errors import ExportError

HOST = "host"

# name: triple, LLVM's name of the processor, its features, lanes of float32, registers
_TARGETS = {
    "x86-64": ("x86_64-unknown-linux-gnu", "x86-64", "", 4, 16),
    "x86-64-v3": ("x86_64-unknown-linux-gnu", "x86-64-v3", "", 8, 16),
    "aarch64": ("aarch64-unknown-linux-gnu", "generic", "", 4, 32),
    "cortex-m4": ("thumbv7em-unknown-none-eabihf", "cortex-m4", "", 1, 16),
    "cortex-m7": ("thumbv7em-unknown-none-eabihf", "cortex-m7", "", 1, 16),
    "riscv32": ("riscv32-unknown-none-elf", "generic-rv32", "+m,+f,+c", 1, 32),
    "riscv64": ("riscv64-unknown-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+c", 1, 32),
    "wasm32": ("wasm32-unknown-unknown", "generic", "+simd128,+bulk-memory", 4, 16),
}
TARGETS = (HOST, *_TARGETS)


def find_target(name: str) -> Target:
    """A processor by name, computing in float32.

    Raises:
        ExportError: there is none of this name.
    """
    if name == HOST:
        return Target.host("float32")
    if name not in _TARGETS:
        raise ExportError(
            f"unknown target {name!r}; expected one of {', '.join(TARGETS)}"
        )
    triple, cpu, features, lanes, registers = _TARGETS[name]
    return Target("float32", lanes, registers, triple, cpu, features)
