"""Vector functions keep the errors that their docstrings state, and their limits."""

import functools
import math
import re

import numpy as np
import pytest

from refrain.emit.llvm import vector_math
from refrain.emit.llvm.pointwise import RULES
from tests.emit.functions import DIGITS, ISAS, is_denormal, native, ulps

pytestmark = pytest.mark.parametrize("dtype", ["float32", "float64"])
# Every function of vector_math; the test of its error asks for a docstring and an
# exact version, so that none is added without.
NAMES = sorted(n for n, rule in RULES.items() if rule is vars(vector_math).get(n))
every_function = pytest.mark.parametrize("name", NAMES)
every_isa = pytest.mark.parametrize("isa", ISAS)

RANGE = {"float32": 1e5, "float64": 1e6}  # of sine and cosine
EXTENDED = np.finfo(np.longdouble).nmant > np.finfo(np.float64).nmant


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def erf(x):
    """The error function by a series whose terms are all positive."""
    a = np.minimum(np.abs(x), 7.0)
    term = total = a
    for k in range(1, 150):
        term = term * (2 * a * a / (2 * k + 1))
        total = total + term
    half_pi = np.arctan2(np.longdouble(1), np.longdouble(0))
    y = np.sqrt(2 / half_pi) * np.exp(-a * a) * total
    return np.copysign(np.where(a < 6.9, y, np.where(np.isnan(x), x, 1.0)), x)


EXACT = {n: getattr(np, n) for n in NAMES if hasattr(np, n)}
EXACT |= {"sigmoid": sigmoid, "softplus": softplus, "erf": erf}


@functools.cache
def inputs(dtype):
    """Numbers of every size, dense where functions bend, and all that is special."""
    rng = np.random.default_rng(0)
    count = 1 << 14
    bits = np.dtype(dtype.replace("float", "uint"))
    any_bits = rng.integers(0, np.iinfo(bits).max, 2 * count, bits, endpoint=True)
    any_size = any_bits.view(dtype)
    scales = [rng.uniform(-s, s, count) for s in (0.1, 1, 10, 100, 1000)]
    near_zero = np.exp2(rng.uniform(-16, 4, 2 * count)) * rng.choice([-1, 1], 2 * count)
    limits = np.finfo(dtype)
    edges = [limits.max, limits.tiny, limits.smallest_subnormal, limits.eps, 1.0]
    edges = np.array([0.0, np.inf, *edges, *np.nextafter(edges, 0, dtype=dtype)])
    parts = (any_size[~np.isnan(any_size)], *scales, near_zero, edges, -edges)
    return np.concatenate([part.astype(dtype) for part in parts])


@functools.cache
def exact(name, dtype):
    with np.errstate(all="ignore"):
        return EXACT[name](inputs(dtype).astype(np.longdouble))


def stated_error(name, dtype):
    """The worst error in ulp, from the function's docstring."""
    text = getattr(vector_math, name).__doc__
    float32, float64 = re.search(r"([\d.]+) / ([\d.]+) ulp", text).groups()
    return float(float32 if dtype == "float32" else float64)


@every_isa
@every_function
def test_error_is_at_most_what_the_docstring_states(name, isa, dtype):
    if dtype == "float64" and not EXTENDED:
        pytest.skip("no type here is more exact than float64")
    x, right = inputs(dtype), exact(name, dtype)
    found = native(dtype, isa)[name](x)
    # Kernels flush denormal results to zero: either is right.
    counts = ~is_denormal(right, dtype) | (np.abs(found) > np.finfo(dtype).tiny)
    if name in ("sin", "cos"):
        counts &= np.abs(x) <= RANGE[dtype]
    error = ulps(found, right)[counts]
    worst = int(error.argmax())
    assert error[worst] <= stated_error(name, dtype), f"x = {x[counts][worst]!r}"


@every_isa
@every_function
def test_nan_gives_nan(name, isa, dtype):
    x = np.array([np.nan, 1.0, -np.nan, 0.5], dtype)
    found = native(dtype, isa)[name](x)
    assert np.isnan(found).tolist() == [True, False, True, False]


ZERO, INF = [0.0, -0.0], [math.inf, -math.inf]
NAN = [math.nan, math.nan]
LIMITS = {  # at 0 and -0, at inf and -inf, and at points of the function's own
    "exp": ([1.0, 1.0], [math.inf, 0.0], {}),
    "expm1": (ZERO, [math.inf, -1.0], {}),
    "log": ([-math.inf] * 2, [math.inf, math.nan], {1.0: 0.0, -1.0: math.nan}),
    "log1p": (ZERO, [math.inf, math.nan], {-1.0: -math.inf, -2.0: math.nan}),
    "sigmoid": ([0.5, 0.5], [1.0, 0.0], {}),
    "softplus": ([math.log(2.0)] * 2, [math.inf, 0.0], {}),
    "tanh": (ZERO, [1.0, -1.0], {}),
    "erf": (ZERO, [1.0, -1.0], {}),
    "sin": (ZERO, NAN, {}),
    "cos": ([1.0, 1.0], NAN, {}),
}


@every_isa
@every_function
def test_zeros_keep_their_sign_and_infinities_their_limit(name, isa, dtype):
    at_zero, at_infinity, others = LIMITS[name]
    expected = np.array([*at_zero, *at_infinity, *others.values()], dtype)
    x = np.array([*ZERO, *INF, *others], dtype)
    found = native(dtype, isa)[name](x)
    assert np.array_equal(found, expected, equal_nan=True)
    number = ~np.isnan(expected)
    assert (np.signbit(found) == np.signbit(expected))[number].all()


SATURATION = {  # from where on, in float32 and in float64, and the value
    "sigmoid": [(17.4, 36.8, 1.0), (-88.8, -709.8, 0.0)],
    "tanh": [(9.1, 19.1, 1.0), (-9.1, -19.1, -1.0)],
    "erf": [(4.0, 6.0, 1.0), (-4.0, -6.0, -1.0)],
    "exp": [(88.73, 709.79, math.inf), (-104.0, -745.2, 0.0)],
    "expm1": [(88.73, 709.79, math.inf), (-17.4, -37.5, -1.0)],
}


@every_isa
@pytest.mark.parametrize("name", SATURATION)
def test_saturation_is_exact(name, isa, dtype):
    for float32, float64, value in SATURATION[name]:
        bound = float32 if dtype == "float32" else float64
        x = bound * np.geomspace(1, 1e30, 2000).astype(dtype)
        found = native(dtype, isa)[name](x.astype(dtype))
        assert (found == value).all(), f"x = {x[found != value][0]!r}"


BOUNDS = {"sigmoid": (0, 1), "tanh": (-1, 1), "erf": (-1, 1), "sin": (-1, 1)}
BOUNDS |= {"cos": (-1, 1), "exp": (0, math.inf), "expm1": (-1, math.inf)}


@every_isa
@pytest.mark.parametrize("name", BOUNDS)
def test_results_stay_within_their_bounds(name, isa, dtype):
    least, most = BOUNDS[name]
    x = inputs(dtype)
    found = native(dtype, isa)[name](x[np.isfinite(x)])
    assert ((found >= least) & (found <= most)).all()


@every_isa
@pytest.mark.parametrize("name", ["tanh", "erf", "sin"])
def test_odd_functions_are_odd_to_the_bit(name, isa, dtype):
    function, x = native(dtype, isa)[name], inputs(dtype)
    if name == "sin":
        x = x[np.abs(x) <= RANGE[dtype]]
    assert np.array_equal(function(-x), -function(x), equal_nan=True)


@every_isa
def test_cosine_is_even_to_the_bit(isa, dtype):
    cosine, x = native(dtype, isa)["cos"], inputs(dtype)
    x = x[np.abs(x) <= RANGE[dtype]]
    assert np.array_equal(cosine(-x), cosine(x), equal_nan=True)


@every_isa
def test_sigmoids_of_opposite_numbers_sum_to_one(isa, dtype):
    function, x = native(dtype, isa)["sigmoid"], inputs(dtype)
    total = function(x) + function(-x)
    assert np.abs(total - 1).max() <= 2.0 ** (2 - DIGITS[dtype])


@every_isa
@every_function
def test_flushing_denormals_changes_no_other_result(name, isa, dtype):
    x = inputs(dtype)
    x = x[~is_denormal(x, dtype)]
    plain = native(dtype, isa)[name](x)
    flushed = native(dtype, isa, flush=True)[name](x)
    plain = np.where(is_denormal(plain, dtype), 0, plain)
    assert np.array_equal(flushed, plain, equal_nan=True)


@every_isa
def test_a_flushed_denormal_counts_as_zero(isa, dtype):
    x = np.full(1, np.finfo(dtype).tiny / 2, dtype)
    flushed = {n: f(x)[0] for n, f in native(dtype, isa, flush=True).items()}
    assert flushed["log"] == -np.inf
    assert flushed["exp"] == flushed["cos"] == 1
    assert flushed["sigmoid"] == 0.5
    for name in ("expm1", "log1p", "tanh", "erf", "sin", "sqrt"):
        assert flushed[name] == 0, name


@every_isa
def test_square_root_is_correctly_rounded(isa, dtype):
    x = np.abs(inputs(dtype))
    assert np.array_equal(native(dtype, isa)["sqrt"](x), np.sqrt(x))
    negative = native(dtype, isa)["sqrt"](np.array([-0.0, -1.0, np.nan], dtype))
    assert np.signbit(negative[0])
    assert negative[0] == 0
    assert np.isnan(negative[1:]).all()


@every_isa
def test_sign_and_absolute_value_are_exact(isa, dtype):
    functions = native(dtype, isa)
    x = np.concatenate([inputs(dtype), np.array([np.nan], dtype)])
    assert np.array_equal(functions["sign"](x), np.sign(x), equal_nan=True)
    assert np.array_equal(functions["abs"](x), np.abs(x), equal_nan=True)
    assert np.array_equal(functions["negative"](x), -x, equal_nan=True)
