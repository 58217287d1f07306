"""Kernels in torch's modes, threads and forks; `test_backends.py` runs this file."""

import copy
import multiprocessing
import threading

import keras
import numpy as np
import pytest
import torch

from refrain import cells, layers
from refrain.bridge import numpy as numpy_bridge
from refrain.bridge import torch as torch_bridge
from refrain.errors import KernelError
from refrain.runtime.driver import Request
from tests.bridge.reference import random_point


@pytest.fixture
def layer():
    made = layers.LSTM(5, return_sequences=True)
    made.build((4, 6, 3))
    return made


@pytest.fixture
def x(rng):
    return torch.tensor(rng.normal(size=(4, 6, 3)), dtype=torch.float32)


@pytest.fixture(autouse=True)
def _kernels_alone(monkeypatch):
    monkeypatch.setenv("REFRAIN_KERNELS", "require")


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_outputs_without_gradients_are_the_same(mode, layer, x):
    expected = layer(x)
    with mode():
        found = layer(x)
    assert expected.requires_grad
    assert not found.requires_grad
    torch.testing.assert_close(found, expected.detach())


def test_transposed_and_repeated_tensors_are_read_right(layer, x):
    turned = x.transpose(0, 1).contiguous().transpose(0, 1)
    torch.testing.assert_close(layer(turned), layer(x))
    torch.testing.assert_close(
        layer(x[:1].expand(4, -1, -1)), layer(x[:1].repeat(4, 1, 1))
    )


def test_gradients_of_expanded_tensors_are_read_right(layer, x):
    grads = []
    for together in (True, False):
        point = x.clone().requires_grad_()
        y = layer(point)
        if together:
            y.sum().backward()  # arrives as one number, expanded
        else:
            y.backward(torch.ones_like(y))
        grads.append(point.grad)
    torch.testing.assert_close(*grads)


def test_second_derivatives_are_refused(layer, x):
    point = x.requires_grad_()
    (slope,) = torch.autograd.grad(layer(point).sum(), point, create_graph=True)
    assert slope.requires_grad  # else a penalty on it would be lost without a word
    with pytest.raises(KernelError, match="no derivative of its own"):
        slope.square().sum().backward()


def test_tensors_elsewhere_are_refused(rng):
    point = random_point(Request(cells.gru(3), 2), rng)
    tensors = [
        {n: torch.tensor(a) for n, a in group.items()}
        for group in (point.inputs, point.variables, point.states)
    ]
    tensors[1]["kernel"] = tensors[1]["kernel"].to("meta")
    with pytest.raises(
        KernelError, match="kernel: expected a tensor on cpu, received one on meta"
    ):
        torch_bridge.recurrent(point.request, *tensors[:2], list(tensors[2].values()))


def test_keras_may_ask_for_shapes_alone(layer, x):
    assert layer(x.to("meta")).shape == (4, 6, 5)

    class Tagger(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = layers.GRU(3, return_sequences=True)

        def call(self, x):
            return self.inner(x)

    assert Tagger()(keras.Input((6, 3))).shape == (None, 6, 3)


def test_a_gradient_may_be_asked_for_again(layer, x):
    """It is written over what the forward pass left, which is computed anew then."""
    x = x.clone().requires_grad_()
    y = layer(x)
    asked = [y.detach(), y.detach(), y.detach().sin()]
    again = [torch.autograd.grad(y, x, g, retain_graph=True)[0] for g in asked]
    fresh = [torch.autograd.grad(layer(x), x, g)[0] for g in asked]
    for a, b in zip(again, fresh, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert not torch.equal(again[1], again[2])


def test_exported_programs_run_without_refrain(layer, x, monkeypatch):
    monkeypatch.delenv("REFRAIN_KERNELS")
    with torch.no_grad():
        exported = torch.export.export(layer, (x,))
        torch.testing.assert_close(exported.module()(x), layer(x))


def test_a_copy_of_a_model_computes_the_same(x):
    model = keras.Sequential([keras.Input((6, 3)), layers.GRU(5)])
    expected = model(x)
    torch.testing.assert_close(copy.deepcopy(model)(x), expected)


def test_threads_may_call_one_layer(layer, rng):
    batches = [torch.tensor(rng.normal(size=(9, 40, 3))).float() for _ in range(4)]
    expected = [layer(x).detach() for x in batches]
    wrong = []

    def work(k):
        for _ in range(25):
            if not torch.equal(layer(batches[k]).detach(), expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k % 4,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(t.is_alive() for t in threads)
    assert not wrong


@pytest.mark.skipif(
    torch_bridge.openmp_of_torch() is None, reason="torch has no libgomp of its own"
)
@pytest.mark.parametrize("threads", [1, 2])
def test_torchs_threads_compute_what_ours_do(threads, monkeypatch):
    monkeypatch.setenv("REFRAIN_THREADS", "2")
    found, used = [], []
    openmp = torch_bridge.openmp_of_torch()

    def spied(function, job, count):
        used.append(count)
        openmp(function, job, count)

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for team in (spied, None):
            monkeypatch.setattr(torch_bridge, "openmp_of_torch", lambda t=team: t)
            layer = layers.LSTM(37, return_sequences=True)
            layer.build((9, 6, 3))
            layer.set_weights(
                [
                    np.sin(np.arange(w.size)).reshape(w.shape)
                    for w in layer.get_weights()
                ]
            )
            x = torch.linspace(-1, 1, 9 * 6 * 3).reshape(9, 6, 3).requires_grad_()
            y = layer(x)
            y.square().sum().backward()
            weights = [w.value.grad for w in layer.trainable_variables]
            found.append([y.detach(), x.grad, *weights])
    finally:
        torch.set_num_threads(before)
    assert used == [threads] * 3  # forward, backward, weight gradients
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("library", ["torch", "numpy"])
def test_a_forked_process_computes_the_same(library, rng, monkeypatch):
    monkeypatch.setenv("REFRAIN_THREADS", "2")  # the child has none of them
    point = random_point(Request(cells.lstm(5), 3), rng, batch=8)
    convert = torch.tensor if library == "torch" else np.asarray
    bridge = torch_bridge if library == "torch" else numpy_bridge

    def outputs():
        inputs, variables, states = (
            {n: convert(a) for n, a in group.items()}
            for group in (point.inputs, point.variables, point.states)
        )
        y, *_ = bridge.recurrent(
            point.request, inputs, variables, list(states.values())
        )
        return np.asarray(y)

    expected = outputs()
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=lambda: sender.send(outputs()))
    child.start()
    assert receiver.poll(60), "the child hangs"
    assert np.array_equal(receiver.recv(), expected)
    child.join(timeout=60)
    assert child.exitcode == 0
    assert np.array_equal(outputs(), expected)
