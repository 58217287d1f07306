"""A mistake in a cell's equations: what is wrong, the line, and what to write.

The line that an error must quote is the one marked `# wrong`.
"""

import inspect
import math
from pathlib import Path

import numpy as np
import pytest

from refrain import cells
from refrain.cells import Cell, cell, matrix, vector
from refrain.errors import CellError, CellShapeError
from refrain.functions import mean, sigmoid, tanh, where

MISTAKES = {}


def mistake(what, hint, error=CellError, **declaration):
    """Take down equations with what their error must say."""

    def take(equations):
        MISTAKES[equations.__name__] = equations, what, hint, error, declaration
        return equations

    return take


def quotation(equations):
    lines, first = inspect.getsourcelines(equations)
    (k,) = [k for k, line in enumerate(lines) if "# wrong" in line]
    return f"  {Path(__file__).name}:{first + k}: {lines[k].strip()}"


# Wrong operands


@mistake("expected a value of the cell or a number, received str", "declared weights")
def a_text(x, h_prev, W):
    a = x @ W + "b"  # wrong
    return tanh(a + h_prev)


@mistake("expected a value of the cell or a number, received list", "declared weights")
def a_list(x, h_prev, W):
    return tanh(x @ W + h_prev + [1, 2])  # wrong


@mistake("numpy.add cannot be used on matmul", "arrays as declared weights")
def an_array(x, h_prev, W):
    return tanh(np.ones(3) + x @ W) + h_prev  # wrong


@mistake("received a weight with one part a gate", "e.g. W.i", gates=("i", "f"))
def a_weight_of_all_gates(x, h_prev, W, b):
    i = sigmoid(x @ W.i + b)  # wrong
    return i * h_prev


@mistake("W.g is not declared; expected one of W.i, W.f", "W.g", gates=("i", "f"))
def a_gate_that_is_not_there(x, h_prev, W):
    return sigmoid(x @ W.g) * h_prev  # wrong


@mistake("W.i is neither a gate nor a function", "refrain.functions")
def a_gate_of_a_cell_without_gates(x, h_prev, W):
    return sigmoid(x @ W.i) * h_prev  # wrong


@mistake("tanh takes 1 operand(s), received 2", "tanh")
def too_many_operands(x, h_prev, W):
    return tanh(x @ W, h_prev)  # wrong


@mistake("the condition h_prev is a number", "x > 0.0", CellShapeError)
def a_condition_that_is_a_number(x, h_prev, W):
    return where(h_prev, x @ W, 0.0)  # wrong


# Wrong shapes


@mistake("cannot combine x (features,) with h_prev", "a product", CellShapeError)
def vectors_of_two_sizes(x, h_prev):
    return tanh(x + h_prev)  # wrong


@mistake("cannot multiply x (features,) by U", "the input by W", CellShapeError)
def the_other_matrix(x, h_prev, U):
    return tanh(x @ U + h_prev)  # wrong


@mistake("cannot multiply W (features, units) by x", "vector first", CellShapeError)
def the_matrix_first(x, h_prev, W):
    return tanh(W @ x + h_prev)  # wrong


@mistake("cannot multiply x (features,) by W.T", "`features` columns", CellShapeError)
def the_wrong_side_of_a_transposed_matrix(x, h_prev, W):
    return tanh(x @ W.T + h_prev)  # wrong


@mistake("received a transposed matrix away from the right of @", "a gate")
def a_transposed_matrix_used_pointwise(x, h_prev, W, U):
    return tanh(x @ W + h_prev * U.T)  # wrong


@mistake("U is a matrix (units, units)", "from the right", CellShapeError)
def a_matrix_used_pointwise(x, h_prev, W, U):
    return tanh(x @ W + h_prev * U)  # wrong


@mistake("state h has shape ('units',)", "Expected an update", CellShapeError)
def an_update_of_another_size(x, h_prev):  # noqa: ARG001
    return x  # wrong


@mistake("the output y has shape ()", "a vector", CellShapeError, output="y")
def an_output_of_one_number(x, h_prev, W):
    h = tanh(x @ W + h_prev)
    return mean(h), h  # wrong


# States


@mistake("state h is never updated", "return the new h")
def a_state_returned_as_it_came(x, h_prev, W):  # noqa: ARG001
    return h_prev  # wrong


@mistake("state c is never updated", "return the new c", state=("h", "c"))
def one_of_two_states(x, h_prev, c_prev, W):
    return tanh(x @ W + h_prev), c_prev  # wrong


@mistake("the equations return 1 value(s)", "return h, c", state=("h", "c"))
def a_state_left_out(x, h_prev, c_prev, W):
    return tanh(x @ W + h_prev + c_prev)  # wrong


@mistake("the equations return 2 value(s)", "Expected 1: return h")
def a_state_too_many(x, h_prev, W):
    return tanh(x @ W), h_prev * 2.0  # wrong


@mistake("the equations return 0 value(s)", "Expected 1: return h")
def nothing_returned(x, h_prev, W):
    tanh(x @ W + h_prev)  # wrong


@mistake("h is a truth value", "where(condition, 1.0, 0.0)")
def a_comparison_as_a_state(x, h_prev, W):
    return x @ W > h_prev  # wrong


# Unknown functions


@mistake("tanhh is not known", "did you mean tanh? Import it")
def a_name_misspelt(x, h_prev, W):
    return tanhh(x @ W) + h_prev  # wrong  # noqa: F821


@mistake("h_prew is not known", "write h_prev")
def a_state_misspelt(x, h_prev, W):
    return tanh(x @ W) + h_prew - h_prev  # wrong  # noqa: F821


@mistake("fancy is not known", "import it from refrain.functions")
def a_name_unheard_of(x, h_prev, W):
    return fancy(x @ W) + h_prev  # wrong  # noqa: F821


@mistake("numpy.tanh cannot be used", "write tanh from refrain.functions")
def a_function_of_numpy(x, h_prev, W):
    return np.tanh(x @ W) + h_prev  # wrong


@mistake("float() and the math module cannot be used", "from refrain.functions")
def a_function_of_math(x, h_prev, W):
    return math.tanh(x @ W) + h_prev  # wrong


@mistake("tanh is neither a gate nor a function", "refrain.functions")
def a_method(x, h_prev, W):
    return (x @ W).tanh() + h_prev  # wrong


@mistake("** 3: only ** 2 is known", "exp(k * log(x))")
def a_power(x, h_prev, W):
    return (x @ W) ** 3 + h_prev  # wrong


# Python's control flow


@mistake("Python's if, while, and, or, not cannot be used", "where(condition, a, b)")
def an_if(x, h_prev, W):
    a = x @ W
    if a > 0.0:  # wrong
        return a
    return h_prev - a


@mistake("Python's if, while, and, or, not cannot be used", "where(condition, a, b)")
def a_while(x, h_prev, W):
    a = x @ W + h_prev
    while a > 1.0:  # wrong
        a = a - 1.0
    return a


@mistake("Python's if, while, and, or, not cannot be used", "where(condition, a, b)")
def an_and(x, h_prev, W):
    a = x @ W
    return where(a > 0.0 and a < 1.0, a, h_prev * a)  # wrong


@mistake("Python loops and unpacking cannot be used on x", "the whole vector")
def a_loop(x, h_prev, W):
    for _ in x:  # wrong
        h_prev = h_prev + 1.0
    return h_prev + x @ W


@mistake("indexing cannot be used on matmul(x, W)", "a gate of its own")
def a_slice(x, h_prev, W):
    return (x @ W)[:2] + h_prev  # wrong


@mistake("== and != cannot be used on h_prev", "> or <")
def an_equality(x, h_prev, W):
    return where(h_prev == 0.0, x @ W, h_prev)  # wrong


# Declarations


@mistake("the argument p is not declared", "p=vector()")
def a_weight_that_is_not_declared(x, h_prev, W, p):  # wrong
    return tanh(x @ W + p * h_prev)


@mistake("V is not known", "declare it as a weight of the cell")
def a_weight_that_is_no_argument(x, h_prev, W):
    return tanh(x @ W + h_prev @ V)  # wrong  # noqa: F821


@mistake("V declared, but no argument", "Expected V among", V=matrix())
def a_declaration_too_many(x, h_prev, W):  # wrong
    return tanh(x @ W + h_prev)


@mistake("p is declared as 'units'", "matrix(), vector() or scalar()", p="units")
def a_declaration_that_is_none(x, h_prev, W, p):  # wrong
    return tanh(x @ W + p * h_prev)


@mistake("p exists when='peep', which is no option", "none", p=vector(when="peep"))
def a_weight_of_an_option_that_is_none(x, h_prev, W, p):  # wrong
    return tanh(x @ W + p * h_prev)


@mistake("the arguments start with (h_prev, x, W)", "Expected (x, h_prev, ...)")
def arguments_in_another_order(h_prev, x, W):  # wrong
    return tanh(x @ W + h_prev)


@mistake("the option beta has no default", "*, activation=tanh")
def an_option_without_a_default(x, h_prev, W, *, beta):  # wrong
    return tanh(x @ W * beta + h_prev)


@mistake("the argument beta has a default, as options have", "*, beta=0.5")
def an_option_without_a_star(x, h_prev, W, beta=0.5):  # wrong
    return tanh(x @ W * beta + h_prev)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_told_with_its_line(name):
    equations, what, hint, error, declaration = MISTAKES[name]
    with pytest.raises(error, match=f"^{name}: ") as caught:
        cell(**{"state": "h", **declaration})(equations)
    first, quoted, *rest = str(caught.value).splitlines()
    assert what in first
    assert quoted == quotation(equations)
    assert hint in "\n".join(rest or [first])


@cell(state="h", P=matrix("units", "projection"), Q=matrix("projection", "units"))
def projected(x, h_prev, W, P, Q, *, activation=tanh, beta=1.0):
    return activation(x @ W + (h_prev @ P) @ Q) * beta


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gamma": 2}, r"unknown option\(s\) gamma; expected among activation, beta"),
        ({"beta": [1.0]}, r"expected beta to be a number, received \[1.0\]"),
        ({"beta": float("nan")}, "expected beta to be a number, received nan"),
        ({"beta": "1"}, "expected beta to be a number, received '1'"),
        ({"beta": True}, "expected beta to be a number, received True"),
        ({"use_bias": "False"}, "use_bias to be True or False, received 'False'"),
        ({"activation": "tanhh"}, "unknown activation 'tanhh'; expected one of celu"),
        ({"activation": 3}, "unknown activation 3; expected .* a function of one vec"),
        ({"activation": np.tanh}, "numpy.tanh cannot be used.*\n.*\n.*write tanh from"),
        ({"projection": 0}, "projection to be an integer of at least 1, received 0"),
        ({"projection": None}, "projection to be an integer .* received None"),
    ],
)
def test_unknown_or_unfit_options(arguments, message):
    with pytest.raises(CellError, match=message):
        projected(3, **{"projection": 2, **arguments})


def test_a_size_that_the_cell_needs():
    with pytest.raises(CellError, match=r"projected: expected the size.*projection"):
        projected(3)


def test_what_is_no_function():
    with pytest.raises(CellError, match="expected a function of the equations, rec"):
        cell(state="h")(dict)


def test_no_state():
    with pytest.raises(CellError, match="expected at least one state"):
        cell(state=())(lambda x, W: x @ W)


def test_a_decorator_without_states():
    with pytest.raises(CellError, match=r'stateless: .*\n.*write @cell\(state="h"\)'):

        @cell
        def stateless(x, h_prev, W):
            return tanh(x @ W + h_prev)


def test_gates_that_are_none():
    with pytest.raises(CellError, match="z is no gate of this weight; expected among"):
        vector(gates=("i", "f"), by_gate={"z": "ones"})


def test_weights_of_two_shapes_in_one_variable():
    with pytest.raises(
        CellShapeError, match=r"p and q share the variable d(.|\n)*anot"
    ):

        @cell(state="h", p=vector(variable="d"), q=vector("features", variable="d"))
        def torn(x, h_prev, W, p, q):
            return tanh((x * q) @ W + p * h_prev)


@pytest.mark.parametrize("name", ["mask", "resets", "dropout", "start", "zoneout"])
def test_a_weight_by_a_name_that_a_step_knows(name):
    """Wherever it is stored: a masked step would read the mask for the weight."""
    weights = {name: vector(variable="own")}
    with pytest.raises(CellError, match=f"taken: {name} is what a step calls"):
        Cell("taken", {"h": "units"}, (), weights, cells.simple_rnn.graph())


@pytest.mark.parametrize("name", ["output", "held"])
def test_a_state_by_a_name_that_a_step_knows(name):
    states = {"h": "units", name: "units"}
    with pytest.raises(CellError, match=f"taken: {name} is what a step calls"):
        Cell("taken", states, (), {}, cells.simple_rnn.graph())


def test_a_mistake_in_an_option_shows_when_it_is_chosen():
    @cell(state="h")
    def branched(x, h_prev, W, *, deep=False):
        return tanh(x @ W + h_prev) if not deep else tanh(x + h_prev)

    branched(3)
    with pytest.raises(CellShapeError, match=r"branched: cannot combine x \(features"):
        branched(3, deep=True)


def test_variables_of_another_shape():
    kernel, *_ = cells.lstm(2).variables(3)
    with pytest.raises(CellShapeError, match=r"kernel: expected shape \(3, 8\), rec"):
        kernel.unpack(np.zeros((3, 6)))
