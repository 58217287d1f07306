"""A one-hot input, given as the index of its one: rows of matrices for products."""

import numpy as np
import pytest

from refrain import cells
from refrain.bridge.numpy import call
from refrain.cells import cell
from refrain.derive.reverse import reverse
from refrain.derive.simplify import simplify
from refrain.derive.through_time import gradient_through_time
from refrain.functions import tanh
from refrain.graph.evaluate import run
from refrain.graph.lookup import reads_products, with_lookup
from refrain.graph.verify import verify
from refrain.runtime.driver import Request, kernel_for
from tests.randoms import random_states, random_weights, sized_cell, unpacked
from tests.runtime.reference import assert_close, kernel_results

TOLERANCE = {"float32": 1e-5, "float64": 1e-9}
FIT = [make for make in cells.ALL if reads_products(sized_cell(make, 3).graph)]


class Run:
    """Random sequences of words, the same as one-hot vectors, and exact results."""

    def __init__(self, sized, words, batch, timesteps, rng):
        self.sized, self.words = sized, words
        self.variables = random_weights(sized, words, rng)
        self.states = random_states(sized, batch, rng)
        self.index = rng.integers(0, words, (batch, timesteps))
        self.index[0, : timesteps // 2] = words - 1  # one word again and again
        self.index[-1, timesteps // 2] = -1  # none: zeros
        self.grad_y = rng.normal(size=(batch, timesteps, sized.output_size))
        self.grad_last = {s: rng.normal(size=a.shape) for s, a in self.states.items()}

    def exact(self):
        weights = unpacked(self.sized, self.words, self.variables)
        x = np.eye(self.words + 1)[self.index][..., :-1]
        given = self.sized.graph, x, self.states, weights
        outputs, history = run(*given)
        grads = gradient_through_time(*given, self.grad_y, self.grad_last)
        return outputs, history, grads

    def found(self, dtype, **options):
        request = Request(self.sized, self.words, dtype, True, lookup=True, **options)
        index = self.index[:, ::-1] if request.against_time else self.index
        x = index[..., None].astype(dtype)
        given = self.states, self.variables, self.grad_y, self.grad_last
        return kernel_results(request, x, *given)

    def compare(self, dtype, found):
        outputs, history, exact = self.exact()
        rest = dtype, TOLERANCE[dtype]
        assert_close("y", found["y"], outputs, *rest)
        for s, values in history.items():
            slope = found[f"grad_first_{s}"], exact[f"grad_{s}_prev"]
            assert_close(f"last {s}", found[f"last_{s}"], values[:, -1], *rest)
            assert_close(f"grad {s}", *slope, *rest)
        for variable in self.sized.variables(self.words):
            gradient = found[f"grad_{variable.name}"].reshape(variable.shape)
            for name, part in variable.unpack(gradient).items():
                assert_close(f"grad {name}", part, exact[f"grad_{name}"], *rest)


@pytest.mark.parametrize("against_time", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("make", FIT, ids=repr)
def test_an_index_means_a_one_hot_vector(make, dtype, against_time, rng):
    case = Run(sized_cell(make, 19), 11, 5, 6, rng)
    case.compare(dtype, case.found(dtype, rows=3, against_time=against_time))


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 16, 8), (300, 130, 4), (7, 512, 2)])
def test_any_number_of_words_and_units(shape, rng):
    words, units, batch = shape
    case = Run(cells.lstm(units), words, batch, 3, rng)
    case.compare("float64", case.found("float64"))


def test_the_wrong_row_is_caught(rng):
    case = Run(cells.gru(9), 5, 4, 6, rng)
    found = case.found("float64")
    case.index = (case.index + 1) % 5
    with pytest.raises(AssertionError, match="y: error"):
        case.compare("float64", found)


def test_an_index_without_a_row_is_no_number_in_its_sample_alone(rng):
    batch, timesteps, words = 9, 5, 6
    sized = cells.lstm(17)
    request = Request(sized, words, "float64", rows=4, lookup=True)
    given = random_weights(sized, words, rng)
    given |= {f"first_{s}": a for s, a in random_states(sized, batch, rng).items()}
    x = rng.integers(0, words, (batch, timesteps, 1)).astype("float64")
    kernel = kernel_for(request)

    def outputs():
        given["x"] = x
        return call(kernel.forward, given, batch, timesteps, x.dtype)["y"]

    sound = outputs()
    x[2, 3], x[4, 1], x[7, 0] = words, -2, np.nan
    found = outputs()
    for sample, step in ((2, 3), (4, 1), (7, 0)):
        assert np.array_equal(found[sample, :step], sound[sample, :step])
        assert np.isnan(found[sample, step:]).all()
    others = [0, 1, 3, 5, 6, 8]
    assert np.array_equal(found[others], sound[others])


def test_the_change_of_the_equations_is_sound():
    graph = verify(with_lookup(cells.lstm(3).graph))
    assert graph.leaves["x"].shape == ()
    verify(simplify(reverse(graph)))


@cell(state="h")
def reads_the_input_itself(x, h_prev, W, U):
    """The input is more than what is multiplied."""
    return tanh(x @ W + h_prev @ U) * (x @ W) + tanh(tanh(x) @ W)


@cell(state="h")
def reads_the_matrix_again(x, h_prev, W, U):
    """The matrix serves another vector as well."""
    return tanh(tanh(h_prev @ W.T) @ W + x @ W + h_prev @ U)


@pytest.mark.parametrize("make", [reads_the_input_itself, reads_the_matrix_again])
def test_a_cell_that_reads_more_than_products_does_not_fit(make):
    assert reads_products(cells.lstm(3).graph)
    assert not reads_products(make(3).graph)
