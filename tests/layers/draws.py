"""Random layers with random arguments, and what they are called with."""

import os
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tests.layers.contract import Case
from tests.layers.own_cells import OWN, Around

ACTIVATIONS = ["tanh", "sigmoid", "relu", "softsign", "linear", "elu", "softmax"]
INITIALISERS = ["glorot_uniform", "orthogonal", "ones", "he_normal"]


@dataclass(frozen=True)
class Draw:
    """One layer in words: all that both of us are made of.

    Attributes:
        kinds: of the cells, from the first to the last.
        units: of each cell.
        cells: arguments of each cell.
        layer: arguments of the layer.
        merge_mode: of Bidirectional; `one` for one direction.
        case: shapes, mask and states of a call.
        calls: how often the layer is called.
        subclassed: the layer lies in a model of a class of the user's.
    """

    kinds: tuple[str, ...]
    units: tuple[int, ...]
    cells: tuple[dict[str, Any], ...]
    layer: dict[str, Any]
    merge_mode: str | None
    case: Case
    calls: int
    subclassed: bool = False

    def make(self, of: Any) -> Any:
        """The layer, from a namespace of layers."""
        if len(self.kinds) == 1 and self.kinds[0] not in OWN:
            make = getattr(of, self.kinds[0])
            layer = make(self.units[0], **self.cells[0], **self.layer)
        else:
            each = zip(self.kinds, self.units, self.cells, strict=True)
            dtype = self.layer["dtype"]
            made = [
                (OWN.get(kind) or getattr(of, f"{kind}Cell"))(n, dtype=dtype, **more)
                for kind, n, more in each
            ]
            layer = of.RNN(made if len(made) > 1 else made[0], **self.layer)
        if self.merge_mode != "one":
            dtype = self.layer["dtype"]
            layer = of.Bidirectional(layer, merge_mode=self.merge_mode, dtype=dtype)
        return Around(layer) if self.subclassed else layer

    @property
    def tolerance(self) -> float:
        """Of the largest number: some roundings of the dtype, or 1e-5."""
        return {"mixed_bfloat16": 0.06, "mixed_float16": 0.01}.get(
            self.layer["dtype"], 1e-5
        )


def seeds(usual: int) -> range:
    """Numbers of the draws: so many, or REFRAIN_DRAWS, e.g. 2000 or 500-1000."""
    first, _, last = os.environ.get("REFRAIN_DRAWS", str(usual)).rpartition("-")
    return range(int(first or 0), int(last))


def draw(seed: int) -> Draw:
    """The layer of this number; the same for the same number."""
    rng = np.random.default_rng(seed)

    def some(values: Any) -> Any:
        return values[rng.integers(len(values))]

    def often(share: float) -> bool:
        return bool(rng.random() < share)

    def cell(kind: str) -> dict[str, Any]:
        if kind in OWN:
            return {}
        found: dict[str, Any] = {"use_bias": often(0.7)}
        if often(0.4):
            found["activation"] = some(ACTIVATIONS)
        if kind != "SimpleRNN" and often(0.3):
            found["recurrent_activation"] = some(["sigmoid", "hard_sigmoid", "tanh"])
        if kind == "GRU":
            found["reset_after"] = often(0.5)
        if kind != "SimpleRNN" and often(0.2):
            found["implementation"] = some([1, 2])
        for name in ("kernel", "recurrent", "bias"):
            if often(0.2):
                found[f"{name}_regularizer"] = some(["l1", "l2", "L1L2"])
            if often(0.2):
                found[f"{name}_constraint"] = some(["max_norm", "non_neg"])
            if name != "bias" and often(0.2):
                found[f"{name}_initializer"] = some(INITIALISERS)
        if kind == "LSTM" and often(0.3):
            found["unit_forget_bias"] = False
        for name in ("dropout", "recurrent_dropout") if training else ():
            if often(0.5):
                found |= {name: some([0.3, 0.6]), "seed": int(rng.integers(100))}
        return found

    training = often(0.3)
    count = 1 if often(0.75) else 2
    keras_kinds = ["SimpleRNN", "LSTM", "GRU"]
    kinds = tuple(some(keras_kinds if often(0.8) else [*OWN]) for _ in range(count))
    merge_mode = some(["concat", "sum", "mul", "ave", None]) if often(0.3) else "one"
    names = ("return_sequences", "return_state", "zero_output_for_mask", "unroll")
    layer = {name: often(0.5 if "return" in name else 0.2) for name in names}
    layer["go_backwards"] = merge_mode == "one" and often(0.3)
    layer["stateful"] = often(0.2)
    half = some(["mixed_bfloat16", "mixed_float16"])
    layer["dtype"] = half if often(0.1) else "float32"
    case = Case(
        make=draw,
        batch=some([1, 3, 9]),
        timesteps=some([1, 2, 6]),
        features=some([1, 5]),
        mask=some([None, "ragged", "holes", "rows", "any"]),
        initial_state=often(0.4),
        training=training,
    )
    made = Draw(
        kinds,
        tuple(some([1, 4, 7]) for _ in kinds),
        tuple(cell(kind) for kind in kinds),
        layer,
        merge_mode,
        case,
        2 if layer["stateful"] else 1,
        often(0.15),
    )
    return replace(made, case=replace(case, make=made.make))


def overwrites_states(drawn: Draw, backend: str) -> bool:
    """Whether Keras's layer overwrites states that its gradient needs, and fails."""
    (first, *more), cell = drawn.kinds, drawn.cells[0]
    native = first == "LSTM" or (first == "GRU" and cell["reset_after"])
    return (
        backend == "torch"
        and drawn.layer["stateful"]
        and drawn.layer["dtype"] == "float32"
        and drawn.case.mask is None
        and native
        and not more
        and "recurrent_dropout" not in cell
    )


def differs_by_design(drawn: Draw, backend: str) -> str | None:
    """Why Keras gives other numbers; docs/semantics.md tells each of them."""
    layer, case = drawn.layer, drawn.case
    both = drawn.merge_mode != "one"
    if both and layer["stateful"] and layer["return_state"]:
        return "Bidirectional, which keeps states and returns them, fails"
    dropped = case.training and any(c.get("seed") is not None for c in drawn.cells)
    if both and dropped and drawn.kinds == ("SimpleRNN",):
        return "Bidirectional loses the seed of SimpleRNN"
    by_gate = drawn.cells[0].get("implementation") == 1 and case.training
    alone = "dropout" in drawn.cells[0] and "recurrent_dropout" not in drawn.cells[0]
    if by_gate and alone and len(drawn.kinds) == 1:
        return "dropout by gate, without any of the states, fails"
    half_stack = layer["dtype"] != "float32" and len(drawn.kinds) > 1
    if case.mask is None:
        if backend == "jax" and half_stack and not layer["unroll"]:
            return "cells stacked in half precision without a mask, JAX fails"
        return None
    if backend == "tensorflow" and half_stack:
        return "cells stacked in half precision with a mask, TensorFlow fails"
    zero = layer["return_sequences"] if both else layer["zero_output_for_mask"]
    if backend == "jax" and layer["unroll"] and zero:
        return "unrolled, JAX repeats outputs that should be zero"
    back = layer["unroll"] and (both or layer["go_backwards"])
    if backend == "tensorflow" and back and zero:
        return "unrolled against time, TensorFlow takes the mask in the other order"
    if backend == "torch" and back:
        return "unrolled against time with a mask, torch fails"
    own = OWN.keys() & {*drawn.kinds}
    other = own - {"OneState", "Unread"} or (own and len(drawn.kinds) > 1)
    if other and backend == "jax" and not layer["unroll"] and not zero:
        return "JAX takes the first state for the output before"
    started = case.initial_state or drawn.calls > 1
    if backend == "jax" and started and not layer["unroll"] and not zero:
        return "before the first step that counts, JAX puts out the first state"
    return None
