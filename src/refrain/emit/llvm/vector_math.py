"""Functions of a vector, as sequences of IR: exp, tanh, sin and the like.

They belong to the hottest loops, so none calls a library or branches. NaN gives NaN.
The errors named are the worst that the tests find, in units in the last place (ulp) of
float32 / float64. Polynomials are this project's own minimax fits (Remez exchange, of
relative error) over the interval that the reduction leaves.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from llvmlite import ir

from refrain.emit.llvm.lanes import Lanes

_LOG2_E = 1 / math.log(2)
# log(2) in two parts; the first ends in zeros, so that its product with an exponent
# is exact.
_LN2_HIGH = {"float32": 0.693145751953125, "float64": 0.6931471803691238}
_LN2_LOW = {"float32": 1.428606820309417e-06, "float64": 1.9082149292705877e-10}

# Where results no longer change: exp overflows, exp underflows, 1 + exp(x) is 1.
_EXP_MOST = {"float32": 89.0, "float64": 710.0}
_EXP_LEAST = {"float32": -104.0, "float64": -746.0}
_EXP_NONE = {"float32": -18.0, "float64": -38.0}

# (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2
_EXP = {
    "float32": (0.49999997, 0.16666542, 0.0416672081, 0.00836664438, 0.001388242),
    "float64": (
        0.5000000000000006,
        0.16666666666666588,
        0.04166666666657538,
        0.008333333333390388,
        0.0013888888932051626,
        0.00019841269717659878,
        2.480150465077323e-05,
        2.755740816868526e-06,
        2.76262985770965e-07,
        2.505379574423334e-08,
    ),
}
# (log((1 + s) / (1 - s)) / s - 2) / s^2 as a polynomial of s^2, for |s| <= 0.1716
_LOG = {
    "float32": (0.666667759, 0.399777174, 0.298680276),
    "float64": (
        0.6666666666666726,
        0.3999999999945537,
        0.28571428734828985,
        0.2222219924451011,
        0.1818353344663176,
        0.1531476043134996,
        0.14789498690716416,
    ),
}
# -log(erfc(a)) / a for 0 <= a <= 4 (float64: 6)
_ERF_MOST = {"float32": 4.0, "float64": 6.0}
_ERF = {
    "float32": (
        1.12837923,
        0.636619806,
        0.102771595,
        -0.0191199593,
        -0.000245183619,
        0.00178414711,
        -0.000723379198,
        0.000155650196,
        -1.66028076e-05,
        1.64318891e-07,
        9.23490262e-08,
    ),
    "float64": (
        1.1283791670955126,
        0.6366197723675875,
        0.1027726033015394,
        -0.019128446998770716,
        -0.0002091947783691221,
        0.0016962070584950269,
        -0.0005901291465886605,
        2.589209572375151e-05,
        6.445479315460058e-05,
        -2.964729552330594e-05,
        3.2848890043427583e-06,
        2.9878158344210487e-06,
        -1.8923176784536732e-06,
        4.5515455216854335e-07,
        6.215512410986636e-08,
        -1.037106888638234e-07,
        5.0258793819438576e-08,
        -1.594090923047831e-08,
        3.7091439604494206e-09,
        -6.506099529482809e-10,
        8.562341891730471e-11,
        -8.226156377528764e-12,
        5.455600584628723e-13,
        -2.233490104768922e-14,
        4.252394917060893e-16,
    ),
}
# (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 in r^2, for |r| <= pi / 4
_SIN = {
    "float32": (-0.166666538, 0.00833213143, -0.000195108645),
    "float64": (
        -0.16666666666666627,
        0.008333333333321301,
        -0.0001984126982887973,
        2.7557313358801e-06,
        -2.505070441562281e-08,
        1.5893603089832806e-10,
    ),
}
_COS = {
    "float32": (0.0416666456, -0.00138873071, 2.4431276e-05),
    "float64": (
        0.041666666666666595,
        -0.0013888888888872687,
        2.480158728853931e-05,
        -2.755731406845586e-07,
        2.087568331088985e-09,
        -1.1357515231066229e-11,
    ),
}
# pi / 2 in three parts, each as long as a number can be; all are positive, so that
# none takes its sign from -0
_HALF_PI = {
    "float32": (1.570796251296997, 7.549789415861596e-08, 5.390302529957765e-15),
    "float64": (1.5707963267948966, 6.123233995736765e-17, 1.0828566739219139e-32),
}


def exp(x: Lanes) -> Lanes:
    """e to the power of x; 1.1 / 1.1 ulp."""
    n, near = _split_exponent(_between(x, _EXP_LEAST, _EXP_MOST))
    half = n.nearest(0.5)  # 2^n itself may be too large or too small for a number
    return (near + 1.0) * half.power_of_two() * (n - half).power_of_two()


def expm1(x: Lanes) -> Lanes:
    """exp(x) - 1, as exact near 0 as elsewhere; 1.7 / 2.3 ulp."""
    n, near = _split_exponent(_between(x, _EXP_NONE, _EXP_MOST))
    half = n.nearest(0.5)
    scale = (n - half).power_of_two()
    rest = near.multiply_add(scale, scale - (-half).power_of_two())
    return (rest * half.power_of_two()).with_sign_of(x)


def sigmoid(x: Lanes) -> Lanes:
    """1 / (1 + exp(-x)), exactly 0 and 1 at the ends; 2.5 / 2.5 ulp."""
    n, near = _split_exponent(_between(-x, _EXP_NONE, _EXP_MOST))
    return 1.0 / (near + 1.0).multiply_add(n.power_of_two(), 1.0)


def tanh(x: Lanes) -> Lanes:
    """Hyperbolic tangent, as exact near 0 as elsewhere; 2.6 / 2.7 ulp."""
    # expm1(y) / (expm1(y) + 2) for y = 2 |x|; a tanh made of exp(y) would cancel.
    y = (abs(x) + abs(x)).at_most(_of(x, {"float32": 20.0, "float64": 40.0}))
    n, near = _split_exponent(y)
    scale = n.power_of_two()
    y = near.multiply_add(scale, scale - 1.0)
    return (y / (y + 2.0)).with_sign_of(x)


def log(x: Lanes) -> Lanes:
    """Natural logarithm; -inf at 0, NaN below; 0.9 / 0.9 ulp."""
    normal, digits = _of(x, {"float32": (2.0**-126, 24), "float64": (2.0**-1022, 53)})
    tiny = x < normal
    mantissa, exponent = (x * 2.0**digits).where(tiny, x).split(math.sqrt(0.5))
    exponent = (exponent - digits).where(tiny, exponent)
    return _with_limits(_log(mantissa - 1.0, exponent), x, 0.0)


def log1p(x: Lanes) -> Lanes:
    """log(1 + x), as exact near 0 as elsewhere; -inf at -1; 1.5 / 1.5 ulp."""
    total = x + 1.0
    back = total - 1.0
    lost = (1.0 - (total - back)) + (x - back)  # what rounding took from 1 + x
    mantissa, exponent = total.split(math.sqrt(0.5))
    # The limit matters where nothing of `lost` is left to add.
    scale = (-exponent).at_least(-100.0).power_of_two()
    near = (mantissa - 1.0) + lost * scale
    return _with_limits(_log(near, exponent), x, -1.0).with_sign_of(x)


def softplus(x: Lanes) -> Lanes:
    """log(1 + exp(x)); 1.7 / 1.6 ulp."""
    e = exp(-abs(x))
    large = e > math.sqrt(2) - 1
    near = ((e - 1.0) * 0.5).where(large, e)
    exponent = e.like(1.0).where(large, e.like(0.0))
    return x.at_least(0.0) + _log(near, exponent)


def erf(x: Lanes) -> Lanes:
    """The error function; 3.2 / 2.7 ulp."""
    # erfc is the exponential of a smooth function, which is 0 at 0.
    a = abs(x).at_most(_of(x, _ERF_MOST))
    return expm1(-(a * a.polynomial(_ERF))).with_sign_of(x)


def sin(x: Lanes) -> Lanes:
    """Sine; for |x| <= 1e5 (float64: 1e6) 1.6 / 1.7 ulp, beyond it within ±1."""
    quarter, sine, cosine = _turn(x)
    return _choose_quarter(quarter, sine, cosine)


def cos(x: Lanes) -> Lanes:
    """Cosine; for |x| <= 1e5 (float64: 1e6) 1.6 / 1.6 ulp, beyond it within ±1."""
    quarter, sine, cosine = _turn(x)
    return _choose_quarter(x.code.b.add(quarter, x.integer(1)), sine, cosine)


def _split_exponent(x: Lanes) -> tuple[Lanes, Lanes]:
    """exp(x) as `2^n * (1 + near)`: n and near."""
    n = x.nearest(_LOG2_E)
    r = n.multiply_add(-_of(x, _LN2_HIGH), x)
    r = n.multiply_add(-_of(x, _LN2_LOW), r)
    return n, (r * r).multiply_add(r.polynomial(_EXP), r)


def _log(near: Lanes, exponent: Lanes) -> Lanes:
    """log((1 + near) * 2^exponent) for 1 + near between sqrt(1/2) and sqrt(2)."""
    # With s = near / (2 + near), log(1 + near) = 2 s + s R = near - s (near - R). Half
    # its square taken out leaves a sum that loses no digits; source: fdlibm, e_log.c.
    s = near / (near + 2.0)
    z = s * s
    half = near * near * 0.5
    rest = s * z.polynomial(_LOG).multiply_add(z, half)
    rest = exponent.multiply_add(_of(near, _LN2_LOW), rest)
    return exponent.multiply_add(_of(near, _LN2_HIGH), near - (half - rest))


def _with_limits(y: Lanes, x: Lanes, pole: float) -> Lanes:
    """A logarithm y of x: -inf at its pole, NaN below, inf and NaN kept."""
    y = y.where(x < math.inf, x)
    y = y.like(-math.inf).where(x.equals(pole), y)
    return y.like(math.nan).where(x < pole, y)


def _turn(x: Lanes) -> tuple[ir.Value, Lanes, Lanes]:
    """Which quarter of the circle x is in, and sine and cosine within it."""
    n = x.nearest(2 / math.pi)
    r = x
    for part in _of(x, _HALF_PI):
        r = r.less_product(n, part)  # a product that was rounded has lost r
    r = r.at_most(1.0).at_least(-1.0)  # beyond the range of sin and cos
    z = r * r
    sine = (z * r).multiply_add(z.polynomial(_SIN), r).with_sign_of(r)
    cosine = (z * z).multiply_add(z.polynomial(_COS), z.multiply_add(-0.5, 1.0))
    return n.last_bits(), sine, cosine


def _choose_quarter(quarter: ir.Value, sine: Lanes, cosine: Lanes) -> Lanes:
    b = sine.code.b
    odd = b.icmp_unsigned("!=", b.and_(quarter, sine.integer(1)), sine.integer(0))
    second = b.and_(quarter, sine.integer(2))
    sign = b.shl(second, sine.integer(8 * sine.code.bytes - 2))
    return sine.from_bits(b.xor(cosine.where(odd, sine).bits(), sign))


def _between(x: Lanes, least: Mapping, most: Mapping) -> Lanes:
    return x.at_least(_of(x, least)).at_most(_of(x, most))


def _of(x: Lanes, table: Mapping):
    """The entry of a table for the dtype of x."""
    return table[x.code.target.dtype]
