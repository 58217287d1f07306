"""Target: the processor that code is emitted for, and the width of its vectors.

Every emitter takes widths and types from here, so that code for a smaller processor
can be made, and tested, on a larger one.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import binding as llvm
from llvmlite import ir

from refrain.errors import KernelError

_BYTES = {"float32": 4, "float64": 8}


@dataclass(frozen=True)
class Isa:
    """An instruction set, as far as vectors go.

    Attributes:
        name: as users know it.
        bytes: in a vector register.
        registers: vector registers.
        needs: features, in LLVM's names, that a processor must have.
        without: features to turn off: what lies beyond it, or narrows its vectors.
    """

    name: str
    bytes: int
    registers: int
    needs: tuple[str, ...] = ()
    without: tuple[str, ...] = ()


_X86 = (  # widest first
    # With prefer-256-bit, set for many processors, LLVM splits each vector in two.
    Isa("avx512", 64, 32, ("avx512f", "avx512vl"), ("prefer-256-bit",)),
    Isa("avx2", 32, 16, ("avx2", "fma"), ("avx512f",)),
    Isa("sse", 16, 16, (), ("avx",)),
)
_ISAS = {
    "x86_64": _X86,
    "aarch64": (Isa("neon", 16, 32),),
    "arm64": (Isa("neon", 16, 32),),
}
# Where a processor has no such vectors, LLVM takes them apart.
_OTHER = (Isa("generic", 16, 16),)


@dataclass(frozen=True)
class Target:
    """What emitters need to know of a processor.

    Attributes:
        dtype: `float32` or `float64`.
        width: numbers in a vector.
        registers: vector registers.
        triple, cpu, features: as LLVM names them.
        weights: how packed weights are stored; see `storage.py`.
    """

    dtype: str
    width: int
    registers: int
    triple: str
    cpu: str
    features: str
    weights: str = "float32"

    @staticmethod
    def host(dtype: str, isa: str | None = None) -> Target:
        """This machine.

        Args:
            dtype: `float32` or `float64`.
            isa: name of one of `host_isas()`; the widest if not given.

        Raises:
            KernelError: there is no native code for the dtype, or the machine does
                not run the instruction set.
        """
        if dtype not in _BYTES:
            raise KernelError(f"kernels compute in {' or '.join(_BYTES)}, not {dtype}")
        isas = {known.name: known for known in host_isas()}
        chosen = isas.get(isa or next(iter(isas)))
        if chosen is None:
            raise KernelError(f"this machine runs {', '.join(isas)}, not {isa}")
        # The last word counts: a feature turns on all that it implies.
        off = [f"-{feature}" for feature in chosen.without]
        return Target(
            dtype,
            chosen.bytes // _BYTES[dtype],
            chosen.registers,
            llvm.get_process_triple(),
            llvm.get_host_cpu_name(),
            ",".join([llvm.get_host_cpu_features().flatten(), *off]),
        )

    @property
    def bytes(self) -> int:
        """Bytes of a number."""
        return _BYTES[self.dtype]

    @property
    def fuses(self) -> bool:
        """Whether the processor multiplies and adds with one rounding."""
        family = self.triple.split("-")[0]
        is_sse = family == "x86_64" and self.bytes * self.width <= 16
        return family != "wasm32" and not is_sse

    @property
    def address_bits(self) -> int:
        """Bits of an address."""
        return 64 if "64" in self.triple.split("-")[0] else 32

    @property
    def scalar(self) -> ir.Type:
        return ir.FloatType() if self.dtype == "float32" else ir.DoubleType()

    @property
    def vector(self) -> ir.VectorType:
        return ir.VectorType(self.scalar, self.width)

    @property
    def integers(self) -> ir.VectorType:
        """A vector of integers as long as the numbers."""
        return ir.VectorType(ir.IntType(8 * self.bytes), self.width)

    @property
    def suffix(self) -> str:
        """The vector's name in those of LLVM's intrinsics, e.g. `v16f32`."""
        return f"v{self.width}f{8 * self.bytes}"


def host_isas() -> tuple[Isa, ...]:
    """The instruction sets that this machine runs, widest first."""
    features = llvm.get_host_cpu_features()
    known = _ISAS.get(llvm.get_process_triple().split("-")[0], _OTHER)
    return tuple(isa for isa in known if all(features.get(n) for n in isa.needs))
