"""Random modules of PyTorch and nodes of ONNX against what we make of them.

REFRAIN_DRAWS sets how many of each are drawn, e.g. 2000 for a long run.
"""

import importlib.util
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

import refrain
from tests.convert.architectures import real
from tests.layers.contract import assert_same, slopes_of
from tests.layers.draws import seeds

SEEDS, GROUPS = seeds(20), 4
EACH = pytest.mark.parametrize("group", range(GROUPS))

# Few sizes, so that kernels are compiled once for many draws.
BATCH, STEPS, FEATURES, UNITS = (1, 3), (1, 6), (1, 5), (1, 4, 7)


class Choice:
    """Random choices, the same for the same number."""

    def __init__(self, seed: int):
        self._rng = np.random.default_rng(seed)

    def of(self, values: Any) -> Any:
        return values[self._rng.integers(len(values))]

    def often(self, share: float = 0.5) -> bool:
        return bool(self._rng.random() < share)


class Chain(keras.layers.Layer):
    """The layers of a model, one after the other, with all their states."""

    def __init__(self, model):
        super().__init__()
        self.chain = list(model.layers)
        self.built = True
        for layer in self.chain:
            for part in (layer, *_directions(layer)):
                part.return_state = True

    def call(self, x, initial_state=None):
        rest = list(initial_state or [])
        last = []
        for layer in self.chain:
            count = sum(len(part.state_size) for part in _directions(layer))
            given, rest = rest[:count], rest[count:]
            x, *new = layer(x, initial_state=given or None)
            last += new
        return [x, *last]


def _directions(layer):
    """The forward and the backward layer, or the only one."""
    if hasattr(layer, "forward_layer"):
        return layer.forward_layer, layer.backward_layer
    return (layer,)


@dataclass(frozen=True)
class Module:
    """A module of PyTorch in words."""

    kind: str
    sizes: tuple[int, int, int]
    settings: dict[str, Any]
    batch: int
    steps: int
    started: bool


def module_drawn(seed: int) -> Module:
    choice = Choice(seed)
    kind, units = choice.of(["RNN", "LSTM", "GRU"]), choice.of(UNITS)
    settings = {name: choice.often() for name in ("bias", "batch_first")}
    settings["bidirectional"] = choice.often()
    if kind == "RNN":
        settings["nonlinearity"] = choice.of(["tanh", "relu"])
    if kind == "LSTM" and units > 1 and choice.often():
        settings["proj_size"] = choice.of(range(1, units))
    sizes = choice.of(FEATURES), units, choice.of([1, 2, 3])
    shape = choice.of(BATCH), choice.of(STEPS)
    return Module(kind, sizes, settings, *shape, choice.often())


@pytest.mark.filterwarnings("ignore:LSTM with projections:UserWarning")
@pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)
@EACH
def test_random_modules_equal_those_of_torch(group):
    for seed in SEEDS[group::GROUPS]:
        drawn = module_drawn(seed)
        try:
            compare_with_torch(drawn)
        except AssertionError as error:
            raise AssertionError(f"draw {seed}: {drawn}\n{error}") from None


def compare_with_torch(drawn: Module) -> None:
    """Outputs, last states, and slopes for the input, first states and weights."""
    import torch

    module = getattr(torch.nn, drawn.kind)(*drawn.sizes, **drawn.settings)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in module.parameters():
            weight.normal_(0.0, 0.4, generator=generator)
    features, units, layers = drawn.sizes
    x = real(drawn.batch, drawn.steps, features)
    places = layers * (1 + module.bidirectional)
    widths = [drawn.settings.get("proj_size", units), units]
    widths = widths if drawn.kind == "LSTM" else [units]
    states = []
    if drawn.started:
        states = [
            real(drawn.batch, width, seed=7 + k * len(widths) + j)
            for k in range(places)
            for j, width in enumerate(widths)
        ]
    model = refrain.from_torch(module)
    found = slopes_of(Chain(model), x, states, {})
    model.set_weights([v for name, v in found.items() if _is_weight(name)])
    packed = dict(refrain.to_torch(model).named_parameters())
    expected, slopes = _slopes_of_torch(module, drawn, x, states)
    found = {name: v for name, v in found.items() if not _is_weight(name)}
    assert_same(found, expected)
    for name, slope in slopes.items():
        if drawn.kind == "GRU" or not name.startswith("bias_hh"):  # the other bias
            ours = packed[name].detach().numpy()
            assert_same({name: ours}, {name: slope})


def _is_weight(name: str) -> bool:
    return name.startswith("gradient of ") and name[len("gradient of ")].isdigit()


def _slopes_of_torch(module, drawn, x, states):
    """The same as `slopes_of` a chain, and the slopes of parameters by name."""
    import torch

    count = 2 if drawn.kind == "LSTM" else 1
    x, *given = [torch.tensor(a, requires_grad=True) for a in (x, *states)]
    first = [torch.stack(given[k::count]) for k in range(count)] if given else None
    if first is not None and count == 1:
        (first,) = first
    swapped = x if drawn.settings["batch_first"] else x.swapaxes(0, 1)
    y, last = module(swapped, first if count == 1 or first is None else tuple(first))
    y = y if drawn.settings["batch_first"] else y.swapaxes(0, 1)
    last = last if isinstance(last, tuple) else (last,)
    outputs = [y, *(state for place in zip(*last, strict=True) for state in place)]
    rng = np.random.default_rng(1)
    loss = sum(
        (o * torch.tensor(rng.normal(size=o.shape).astype("float32"))).sum()
        for o in outputs
    )
    loss.backward()
    found = {f"output {k}": o.detach().numpy() for k, o in enumerate(outputs)}
    found["gradient of x"] = x.grad.numpy()
    found |= {f"gradient of state {k}": g.grad.numpy() for k, g in enumerate(given)}
    return found, {n: p.grad.numpy() for n, p in module.named_parameters()}


@pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None,
    reason="onnxruntime is not installed",
)
@EACH
def test_random_nodes_equal_those_of_onnx_runtime(group):
    from tests.convert import nodes

    for seed in SEEDS[group::GROUPS]:
        kind, wired, sizes, settings = node_drawn(seed)
        model = nodes.model_of(kind, wired, sizes=nodes.Sizes(*sizes), **settings)
        found, expected = nodes.compared(model, kind, wired, nodes.Sizes(*sizes))
        try:
            assert_same(*(dict(enumerate(each)) for each in (found, expected)))
        except AssertionError as error:
            told = f"draw {seed}: {kind}, {wired}, {sizes}, {settings}"
            raise AssertionError(f"{told}\n{error}") from None


def node_drawn(seed: int) -> tuple[str, tuple[str, ...], list[int], dict[str, Any]]:
    """Kind of a node, its free inputs, sizes, and its attributes."""
    choice = Choice(seed)
    kind = choice.of(["RNN", "LSTM", "GRU"])
    directions = ["forward", "reverse", "bidirectional"]
    settings: dict[str, Any] = {"direction": choice.of(directions)}
    wired = ["sequence_lens"] if choice.often() else []
    if choice.often():
        wired += ["initial_h", *(["initial_c"] if kind == "LSTM" else [])]
    if choice.often(0.2):
        settings["drop"] = ("B",)
    if kind == "GRU":
        settings["linear_before_reset"] = int(choice.often())
    if kind == "LSTM" and choice.often(0.4):
        if choice.often():
            settings["input_forget"] = 1
        else:
            wired.append("P")
    if choice.often(0.4):
        settings |= activations_drawn(choice, kind, settings["direction"])
    sizes = [choice.of(each) for each in (BATCH, STEPS, FEATURES, UNITS)]
    return kind, tuple(wired), sizes, settings


def activations_drawn(choice: Choice, kind: str, direction: str) -> dict[str, Any]:
    """Activations of each direction, and constants with which Keras has them."""
    constants = {"HardSigmoid": (1 / 6, 0.5), "Elu": (1.0,), "Affine": (1.0, 0.0)}
    usual = ["Tanh", "Sigmoid", "Relu", "Softsign", "Softplus"]
    names: list[str] = []
    for _ in range(2 if direction == "bidirectional" else 1):
        gate, last = (choice.of([*usual, *constants]) for _ in range(2))
        names += {"RNN": [last], "GRU": [gate, last], "LSTM": [gate, last, last]}[kind]
    found: dict[str, Any] = {"activations": names}
    for k, part in enumerate(("alpha", "beta")):
        given = [constants[n][k] for n in names if len(constants.get(n, ())) > k]
        found |= {f"activation_{part}": given} if given else {}
    return found
