"""A bare layer's training step, forward and backward: ours, torch.nn and a JAX scan.

No Keras: kernels are called as the layers call them, on tensors of torch and arrays of
JAX. Everybody gets the same numbers and must agree before anything is timed. With
`--inference` the forward pass alone, ONNX Runtime among the peers.

    python benchmarks/layer.py
    python benchmarks/layer.py --inference --cases 128x64x32x200
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import torch
from harness import in_turn, machine, table

from refrain import cells
from refrain.bridge import jax as on_jax
from refrain.bridge import numpy as on_numpy
from refrain.bridge import torch as on_torch
from refrain.runtime.driver import Request

CELLS = {"LSTM": cells.lstm, "GRU": cells.gru, "SimpleRNN": cells.simple_rnn}
# torch's and ONNX's gates in Keras's order.
TORCH = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "SimpleRNN": (0,)}
ONNX = {"LSTM": (0, 3, 1, 2), "GRU": (0, 1, 2), "SimpleRNN": (0,)}
MODULES = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "SimpleRNN": torch.nn.RNN}
# units x features x batch x steps
SHAPES = ("128x64x32x200", "50x1x32x10", "256x256x128x50", "512x512x64x50")


class Case:
    """One cell and shape, with numbers for everybody."""

    def __init__(self, kind: str, shape: str):
        self.kind = kind
        units, features, batch, steps = map(int, shape.split("x"))
        rng = np.random.default_rng(0)
        self.sized = CELLS[kind](units)
        self.units, self.features = units, features
        self.request = Request(self.sized, features)
        scale = {"kernel": features**-0.5, "recurrent_kernel": units**-0.5}
        self.variables = {
            v.name: rng.normal(size=v.shape, scale=scale.get(v.name, 0.1)).astype("f4")
            for v in self.sized.variables(features)
        }
        self.x = rng.normal(size=(batch, steps, features)).astype("f4")
        self.grad = rng.normal(size=(batch, steps, units)).astype("f4")
        self.states = [np.zeros((batch, units), "f4") for _ in self.sized.state_size]

    def biases(self) -> np.ndarray:
        """Two biases, of the input and of the state, as torch and ONNX have them."""
        bias = self.variables["bias"]
        return bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])

    def ordered(self, packed: np.ndarray, order: tuple[int, ...]) -> np.ndarray:
        """Gates in another order."""
        gates = np.split(packed, len(order), axis=-1)
        return np.concatenate([gates[k] for k in order], axis=-1)


Step = Callable[[], tuple]  # outputs, and for training the gradient of the input


def refrain_on_torch(case: Case) -> Step:
    variables = {
        n: torch.tensor(v, requires_grad=True) for n, v in case.variables.items()
    }
    states = [torch.tensor(s) for s in case.states]
    grad = torch.tensor(case.grad)

    def step():
        x = torch.tensor(case.x, requires_grad=True)
        y, *_ = on_torch.recurrent(case.request, {"x": x}, variables, states)
        y.backward(grad)
        return y, x.grad

    return step


def torch_module(case: Case) -> torch.nn.Module:
    module = MODULES[case.kind](case.features, case.units, batch_first=True)
    order, biases = TORCH[case.kind], case.biases()
    arrays = {
        "weight_ih_l0": case.ordered(case.variables["kernel"], order).T,
        "weight_hh_l0": case.ordered(case.variables["recurrent_kernel"], order).T,
        "bias_ih_l0": case.ordered(biases[0], order),
        "bias_hh_l0": case.ordered(biases[1], order),
    }
    module.load_state_dict({n: torch.tensor(a.copy()) for n, a in arrays.items()})
    return module


def torch_nn(case: Case) -> Step:
    module, grad = torch_module(case), torch.tensor(case.grad)

    def step():
        x = torch.tensor(case.x, requires_grad=True)
        y, _ = module(x)
        y.backward(grad)
        return y, x.grad

    return step


def torch_nn_inference(case: Case) -> Step:
    module = torch_module(case)

    @torch.inference_mode()
    def step():
        return (module(torch.from_numpy(case.x))[0],)

    return step


def refrain_on_jax(case: Case) -> Step:
    states = [jnp.asarray(s) for s in case.states]

    def layer(x, variables):
        return on_jax.recurrent(case.request, {"x": x}, variables, states)[0]

    return _jax_step(case, layer)


def jax_scan(case: Case) -> Step:
    """The same equations written by hand with jax.lax.scan."""
    h, *rest = [jnp.asarray(s) for s in case.states]
    kind, sigmoid, tanh = case.kind, jax.nn.sigmoid, jnp.tanh

    def layer(x, variables):
        bias, recurrent = variables["bias"], variables["recurrent_kernel"]
        z = x @ variables["kernel"] + (bias[0] if kind == "GRU" else bias)

        def step(carry, z):
            h = carry[0]
            u = h @ recurrent
            if kind == "LSTM":
                i, f, g, o = jnp.split(z + u, 4, axis=-1)
                c = sigmoid(f) * carry[1] + sigmoid(i) * tanh(g)
                h = sigmoid(o) * tanh(c)
                return (h, c), h
            if kind == "GRU":
                split = jnp.split(z, 3, -1), jnp.split(u + bias[1], 3, -1)
                (zu, zr, zn), (uz, ur, un) = split
                keep = sigmoid(zu + uz)
                h = keep * h + (1 - keep) * tanh(zn + sigmoid(zr + ur) * un)
                return (h,), h
            h = tanh(z + u)
            return (h,), h

        return jax.lax.scan(step, (h, *rest), z.swapaxes(0, 1))[1].swapaxes(0, 1)

    return _jax_step(case, layer)


def _jax_step(case: Case, layer: Callable) -> Step:
    variables = {n: jnp.asarray(v) for n, v in case.variables.items()}
    x, grad = jnp.asarray(case.x), jnp.asarray(case.grad)

    @jax.jit
    def both(x, variables):
        y, pull = jax.vjp(layer, x, variables)
        return y, *pull(grad)

    return lambda: jax.block_until_ready(both(x, variables))[:2]


def refrain_inference(case: Case) -> Step:
    def step():
        given = {"x": case.x}, case.variables, case.states
        return (on_numpy.recurrent(case.request, *given)[0],)

    return step


def onnx_runtime(case: Case) -> Step:
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    order, biases = ONNX[case.kind], case.biases()
    arrays = {
        "W": case.ordered(case.variables["kernel"], order).T[None],
        "R": case.ordered(case.variables["recurrent_kernel"], order).T[None],
        "B": np.concatenate([case.ordered(b, order) for b in biases])[None],
    }
    kind = {"SimpleRNN": "RNN"}.get(case.kind, case.kind)
    options = {"linear_before_reset": 1} if kind == "GRU" else {}
    node = helper.make_node(
        kind, ["x", "W", "R", "B"], ["y"], hidden_size=case.units, **options
    )
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, None, None])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)],
        [numpy_helper.from_array(a.copy(), n) for n, a in arrays.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
    model.ir_version = 8
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    x = np.ascontiguousarray(case.x.swapaxes(0, 1))  # it wants time first
    return lambda: (session.run(None, {"x": x})[0][:, 0].swapaxes(0, 1),)


TRAINING = {
    "refrain on torch": refrain_on_torch,
    "torch.nn": torch_nn,
    "refrain on jax": refrain_on_jax,
    "jax scan": jax_scan,
}
INFERENCE = {
    "refrain": refrain_inference,
    "torch.nn": torch_nn_inference,
    "ONNX Runtime": onnx_runtime,
}


def match(kind: str, shape: str, makers: dict, rounds: int) -> list[tuple]:
    case = Case(kind, shape)
    steps = {name: make(case) for name, make in makers.items()}
    found = {n: [np.asarray(torch_free(a)) for a in s()] for n, s in steps.items()}
    first, *others = found.values()
    for other in others:
        for mine, its in zip(first, other, strict=True):
            error = np.abs(mine - its).max() / np.abs(its).max()
            if not error < 1e-4:
                raise SystemExit(f"{kind} {shape}: results differ by {error:.1e}")
    times = in_turn(steps, rounds)
    peers = [n for n in times if "refrain" not in n]
    rows = []
    for name, seconds in times.items():
        ratios = (
            [f"{times[p] / seconds:.2f}" for p in peers] if name not in peers else []
        )
        blank = [""] * (len(peers) - len(ratios))
        rows.append((kind, shape, name, f"{1e3 * seconds:.2f}", *ratios, *blank))
    return rows


def torch_free(array):
    return array.detach() if isinstance(array, torch.Tensor) else array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", default=",".join(SHAPES))
    parser.add_argument("--layers", default="LSTM,GRU,SimpleRNN")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--inference", action="store_true")
    arguments = parser.parse_args()
    makers = dict(INFERENCE if arguments.inference else TRAINING)
    if importlib.util.find_spec("onnxruntime") is None:
        makers.pop("ONNX Runtime", None)
    rows = []
    for kind in arguments.layers.split(","):
        for shape in arguments.cases.split(","):
            rows += match(kind, shape, makers, arguments.rounds)
    print(machine())
    peers = [f"times {name}" for name in makers if "refrain" not in name]
    print(
        table(("layer", "units x features x batch x steps", "who", "ms", *peers), rows)
    )


if __name__ == "__main__":
    main()
