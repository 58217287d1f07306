"""A cell over a sequence: as an ONNX model in ONNX Runtime, and in the interpreter."""

from dataclasses import dataclass

import numpy as np
from onnx import ModelProto, TensorProto

from refrain.cells import SizedCell
from refrain.export.loops import write_loops
from refrain.export.masks import Mask, leading_mask
from refrain.export.session import finish, run
from refrain.export.writer import Writer, value_info
from refrain.graph.evaluate import evaluate
from refrain.network.records import Loop
from tests.randoms import random_states, random_weights, unpacked

SIZES = ((1, 1), (2, 5), (4, 17))  # batch, timesteps


@dataclass(frozen=True)
class Case:
    """What is exported, and how it is fed."""

    sized: SizedCell
    features: int = 3
    against_time: bool = False
    mask: str = ""  # "any", "lengths"
    zero_output: bool = False
    given_states: bool = True


def weights_of(case: Case, rng) -> dict[str, np.ndarray]:
    variables = random_weights(case.sized, case.features, rng)
    parts = unpacked(case.sized, case.features, variables)
    return {name: np.asarray(part, "float32") for name, part in parts.items()}


def exported(case: Case, weights) -> ModelProto:
    """The model of one loop; its results are `outputs`, `last` and the states."""
    w = Writer()
    sized = case.sized
    sizes = dict(zip(sized.cell.states, sized.state_size, strict=True))
    loop = Loop(sized, case.features, weights, case.against_time, case.zero_output)
    given = {s: f"{s}_first" for s in sizes} if case.given_states else {}
    inputs = [value_info("x", ["batch", "time", case.features])]
    inputs += [value_info(n, ["batch", sizes[s]]) for s, n in given.items()]
    mask = None
    if case.mask == "any":
        mask = Mask("mask")
        inputs.append(value_info("mask", ["batch", "time"], TensorProto.BOOL))
    elif case.mask == "lengths":
        mask = leading_mask(w, "lengths", "x")
        inputs.append(value_info("lengths", ["batch"], TensorProto.INT32))
    (found,) = write_loops(w, [loop], "x", [given], mask)
    w.rename(found.outputs, "outputs")
    w.rename(found.last_output, "last")
    for s in sizes:
        w.rename(found.states[s], s)
    outputs = [value_info("outputs", ["batch", "time", sized.output_size])]
    outputs.append(value_info("last", ["batch", sized.output_size]))
    outputs += [value_info(s, ["batch", size]) for s, size in sizes.items()]
    return finish(w, "loop", inputs, outputs)


def samples(case: Case, batch: int, timesteps: int, rng) -> dict[str, np.ndarray]:
    """Inputs; one sample has no step that counts, another one has nothing else."""
    feed = {"x": rng.normal(size=(batch, timesteps, case.features))}
    if case.given_states:
        first = random_states(case.sized, batch, rng)
        feed |= {f"{s}_first": value for s, value in first.items()}
    feed = {name: value.astype("float32") for name, value in feed.items()}
    counts = rng.random((batch, timesteps)) < 0.5
    counts[0], counts[-1] = True, batch == 1
    if case.mask == "any":
        feed["mask"] = counts
    if case.mask == "lengths":
        feed["lengths"] = counts.sum(1).astype("int32")
    return feed


def meant(case: Case, weights, feed) -> dict[str, np.ndarray]:
    """The same by the interpreter, in float64."""
    sized = case.sized
    weights = {name: part.astype("float64") for name, part in weights.items()}
    x = feed["x"].astype("float64")
    batch, timesteps, _ = x.shape
    sizes = zip(sized.cell.states, sized.state_size, strict=True)
    states = {s: feed.get(f"{s}_first", np.zeros((batch, n))) for s, n in sizes}
    counts = feed.get("mask", np.ones((batch, timesteps), bool))
    if "lengths" in feed:
        counts = np.arange(timesteps) < feed["lengths"][:, None]
    output, outputs = np.zeros((batch, sized.output_size)), {}
    order = range(timesteps)
    for t in reversed(order) if case.against_time else order:
        old = {f"{s}_prev": value for s, value in states.items()}
        new = evaluate(sized.graph, {"x": x[:, t], **old, **weights})
        here = counts[:, t : t + 1]
        states = {s: np.where(here, new[s], value) for s, value in states.items()}
        kept = 0.0 if case.zero_output else output
        output = outputs[t] = np.where(here, new["output"], kept)
    sequence = np.stack([outputs[t] for t in order], axis=1)
    return {"outputs": sequence, "last": output, **states}


def difference(case: Case, rng, weights=None, faulty=None) -> float:
    """The largest difference between the two, relative to numbers above 1."""
    weights = weights or weights_of(case, rng)
    feeds = [samples(case, *size, rng) for size in SIZES]
    worst = 0.0
    model = exported(case, faulty or weights)
    for found, feed in zip(run(model, *feeds), feeds, strict=True):
        expected = meant(case, weights, feed)
        assert set(found) == set(expected)
        for name, value in expected.items():
            assert found[name].shape == value.shape
            error = np.abs(found[name] - value) / np.maximum(1.0, np.abs(value))
            worst = max(worst, float(error.max()))
    return worst
