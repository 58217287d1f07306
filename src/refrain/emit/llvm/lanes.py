"""Lanes: a vector in registers, with arithmetic written as in a formula.

`vector_math` and `pointwise` compute with it; elsewhere values are plain IR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llvmlite import ir

from refrain.emit.llvm.code import Code

# dtype: (bits of the fraction, bias of the exponent)
_FORMAT = {"float32": (23, 127), "float64": (52, 1023)}


class Lanes:
    """A vector of numbers, one a lane.

    No operation lets LLVM assume that there are no infinities and no NaN, and none
    is reordered; only `multiply_add` fuses.
    """

    def __init__(self, code: Code, value: ir.Value):
        self.code = code
        self.value = value

    def __add__(self, other: Lanes | float) -> Lanes:
        return self._new(self.code.b.fadd(self.value, self._ir(other)))

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self._new(self.code.b.fsub(self.value, self._ir(other)))

    def __rsub__(self, other: float) -> Lanes:
        return self._new(self.code.b.fsub(self._ir(other), self.value))

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self._new(self.code.b.fmul(self.value, self._ir(other)))

    def __truediv__(self, other: Lanes | float) -> Lanes:
        return self._new(self.code.b.fdiv(self.value, self._ir(other)))

    def __rtruediv__(self, other: float) -> Lanes:
        return self._new(self.code.b.fdiv(self._ir(other), self.value))

    def __neg__(self) -> Lanes:
        return self._new(self.code.b.fneg(self.value))

    def __abs__(self) -> Lanes:
        return self._intrinsic("fabs", self)

    def __gt__(self, other: Lanes | float) -> ir.Value:
        return self.code.b.fcmp_ordered(">", self.value, self._ir(other))

    def __lt__(self, other: Lanes | float) -> ir.Value:
        return self.code.b.fcmp_ordered("<", self.value, self._ir(other))

    def __ge__(self, other: Lanes | float) -> ir.Value:
        return self.code.b.fcmp_ordered(">=", self.value, self._ir(other))

    def equals(self, other: Lanes | float) -> ir.Value:
        return self.code.b.fcmp_ordered("==", self.value, self._ir(other))

    def is_nan(self) -> ir.Value:
        return self.code.b.fcmp_unordered("uno", self.value, self.value)

    def where(self, condition: ir.Value, other: Lanes | float) -> Lanes:
        """These lanes where the condition holds, else `other`'s."""
        return self._new(self.code.b.select(condition, self.value, self._ir(other)))

    def at_most(self, limit: float) -> Lanes:
        """The smaller of the two; NaN stays NaN."""
        # A comparison with NaN is false. In this order it is one x86 instruction.
        return self.like(limit).where(self > limit, self)

    def at_least(self, limit: float) -> Lanes:
        """The larger of the two; NaN stays NaN."""
        return self.like(limit).where(self < limit, self)

    def multiply_add(self, factor: Lanes | float, term: Lanes | float) -> Lanes:
        """`self * factor + term`, rounded once where the processor can."""
        return self._new(
            self.code.multiply_add(self.value, self._ir(factor), self._ir(term))
        )

    def less_product(self, other: Lanes, factor: float) -> Lanes:
        """`self - other * factor`, where nothing of the product is lost."""
        if self.code.target.fuses:
            return self._intrinsic("fma", other, self.like(-factor), self)
        # Products of halves need no rounding (Dekker 1971).
        near = other * factor
        (a, b), (c, d) = other.halves(), self.like(factor).halves()
        lost = (((a * c - near) + a * d) + b * c) + b * d
        return (self - near) - lost

    def halves(self) -> tuple[Lanes, Lanes]:
        """The first half of each number's digits, and the rest."""
        fraction, _ = _FORMAT[self.code.target.dtype]
        mask = self.integer(-(1 << (fraction + 1) // 2))
        high = self.from_bits(self.code.b.and_(self.bits(), mask))
        return high, self - high

    def polynomial(self, coefficients: Mapping[str, Sequence[float]]) -> Lanes:
        """A polynomial of these lanes, chosen by dtype; the constant term is first."""
        *rest, last = coefficients[self.code.target.dtype]
        total = self.like(last)
        for coefficient in reversed(rest):
            total = total.multiply_add(self, coefficient)
        return total

    def sqrt(self) -> Lanes:
        return self._intrinsic("sqrt", self)

    def with_sign_of(self, other: Lanes) -> Lanes:
        return self._intrinsic("copysign", self, other)

    # -- numbers and their bits --------------------------------------------------

    def nearest(self, factor: float) -> Lanes:
        """The whole number nearest to `self * factor`, below 2^22 (float64: 2^51)."""
        return self.multiply_add(factor, self._shift) - self._shift

    def power_of_two(self) -> Lanes:
        """2 to the power of these whole numbers, for normal results.

        One above the largest exponent gives inf; one below the smallest gives 0.
        """
        # The sum's last bits are the exponent as the format stores it.
        fraction, bias = _FORMAT[self.code.target.dtype]
        bits = (self + (self._shift + bias)).bits()
        return self.from_bits(self.code.b.shl(bits, self.integer(fraction)))

    def split(self, lower: float) -> tuple[Lanes, Lanes]:
        """Positive normal numbers as `m * 2^e`; returns m in [lower, 2 * lower), e."""
        b, (fraction, _) = self.code.b, _FORMAT[self.code.target.dtype]
        bits, start = self.bits(), self.like(lower).bits()
        exponent = b.ashr(b.sub(bits, start), self.integer(fraction))
        mantissa = b.sub(bits, b.shl(exponent, self.integer(fraction)))
        # |e| is small: adding it to the bits of `_shift` adds it to the number.
        shifted = b.add(exponent, self.like(self._shift).bits())
        return self.from_bits(mantissa), self.from_bits(shifted) - self._shift

    def last_bits(self) -> ir.Value:
        """These whole numbers as integers, of which the last 20 bits are right."""
        return (self + self._shift).bits()

    def bits(self) -> ir.Value:
        return self.code.b.bitcast(self.value, self.code.target.integers)

    def from_bits(self, bits: ir.Value) -> Lanes:
        return self._new(self.code.b.bitcast(bits, self.code.target.vector))

    def integer(self, value: int) -> ir.Value:
        """An integer in every lane."""
        return ir.Constant(self.code.target.integers, [value] * self.code.lanes)

    def like(self, value: float) -> Lanes:
        """A number in every lane."""
        return self._new(self.code.constant(value))

    @property
    def _shift(self) -> float:
        # Numbers near 1.5 * 2^fraction are whole: adding rounds to nearest.
        return 1.5 * 2.0 ** _FORMAT[self.code.target.dtype][0]

    def _intrinsic(self, name: str, *operands: Lanes) -> Lanes:
        target = self.code.target
        values = [o.value for o in operands]
        return self._new(
            self.code.call(f"llvm.{name}.{target.suffix}", target.vector, values)
        )

    def _ir(self, other: Lanes | float) -> ir.Value:
        return other.value if isinstance(other, Lanes) else self.code.constant(other)

    def _new(self, value: ir.Value) -> Lanes:
        return Lanes(self.code, value)
