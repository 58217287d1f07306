import json
import os
import subprocess
import sys

import jax
import keras
import numpy as np
import pytest

from refrain import cells, layers
from refrain.errors import DataError
from refrain.study.diagnosis import diagnose, remarks
from refrain.study.flow import GradientFlow
from refrain.study.gates import Activity, Keep, activations, activity
from refrain.study.walk import walk
from refrain.study.watch import watch
from tests.layers.own_cells import NestedStates
from tests.randoms import sized_cell
from tests.study import watched
from tests.study.walks import CELLS, LENGTHS, MASK, taken

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

LAYERS = {
    "ours": lambda **o: layers.GRU(4, **o),
    "Keras's LSTM": lambda **o: keras.layers.LSTM(3, **o),
    "Keras's GRU": lambda **o: keras.layers.GRU(4, reset_after=False, **o),
    "Keras's SimpleRNN": lambda **o: keras.layers.SimpleRNN(4, **o),
    "against time": lambda **o: layers.LSTM(3, go_backwards=True, **o),
    "zeros for skipped": lambda **o: layers.SimpleRNN(
        3, zero_output_for_mask=True, **o
    ),
}


@pytest.mark.parametrize("sequences", [False, True], ids=["last", "all"])
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_what_comes_back_at_last_is_the_derivative_for_first_states(
    make, sequences, rng
):
    layer = make(return_sequences=sequences)
    # Where skipped steps put out zeros, the last one has to count to be of use.
    counts = layer.zero_output_for_mask and not sequences
    mask = np.array([[True, True, False, True, counts]])
    x = rng.normal(size=(1, 5, 2)).astype("float32")
    inputs, counted = keras.Input((5, 2)), keras.Input((5,), dtype="bool")
    ramp = np.arange(1.0, 6.0, dtype="float32")[:, None]

    def flat(found):  # all steps, each with a weight of its own
        return keras.ops.sum(found * ramp, axis=1) if sequences else found

    outputs = keras.layers.Dense(1)(flat(layer(inputs, mask=counted)))
    model = keras.Model([inputs, counted], outputs)
    y = rng.normal(size=(1, 1)).astype("float32")
    (flow,) = (d.flow for d in diagnose(model, [x, mask], y, "mse"))

    def loss(states):
        found = layer(x, initial_state=states, mask=mask)
        return ((model.layers[-1](flat(found)) - y) ** 2).sum()

    sizes = layer.cell.state_size
    states = [np.zeros((1, layer.units), "float32") for _ in np.atleast_1d(sizes)]
    for name, exact in zip(flow.loss, jax.grad(loss)(states), strict=True):
        assert flow.loss[name][-1] == pytest.approx(np.linalg.norm(exact), rel=1e-4)


def test_states_carry_the_gradient_of_a_decoder_to_its_encoder():
    keras.utils.set_random_seed(0)
    source, target = keras.Input((6, 2)), keras.Input((4, 2))
    _, *states = layers.LSTM(3, return_state=True, name="encoder")(source)
    answer = layers.LSTM(3, name="decoder")(target, initial_state=states)
    model = keras.Model([source, target], keras.layers.Dense(1)(answer))
    x = [np.ones((2, 6, 2), "float32"), np.zeros((2, 4, 2), "float32")]
    encoder, decoder = (d.flow for d in diagnose(model, x, np.ones((2, 1)), loss="mse"))
    # The encoder's last states are the decoder's first ones.
    (heard, _) = watch(model, x, np.ones((2, 1)), "mse")
    for name, grad in heard.grad_last.items():
        norm = np.median(np.linalg.norm(grad, axis=-1))
        assert decoder.loss[name][-1] == pytest.approx(norm, rel=1e-4)
    assert encoder.loss["c"][0] > 0


@pytest.fixture(scope="module")
def on_jax():
    return watched.records()


def test_every_cell_of_every_layer_is_diagnosed(on_jax):
    names = [(found["layer"], found["flow"]["cell"]) for found in on_jax]
    assert names == [
        ("both/forward_lstm", "lstm"),
        ("both/backward_lstm", "lstm"),
        ("rnn[1]", "gru"),
        ("rnn[2]", "simple_rnn"),
    ]
    assert [found["against_time"] for found in on_jax] == [False, True, False, False]
    assert {found["flow"]["steps"] for found in on_jax} == {6}
    json.dumps(on_jax, allow_nan=False)


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_other_backends_find_the_same(backend, on_jax):
    pytest.importorskip(backend, reason=f"{backend} is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "tests.study.watched"],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    records, followed = json.loads(done.stdout)
    for found, expected in zip(records, on_jax, strict=True):
        for name, by_lag in expected["flow"]["loss"].items():
            assert found["flow"]["loss"][name] == pytest.approx(by_lag, rel=1e-3)
        influence = expected["flow"]["influence"]
        assert found["flow"]["influence"] == pytest.approx(influence, rel=1e-3)
    # A callback sees the weights that training has changed.
    (before, first), (after, last) = followed
    assert (before, after) == (0, 1)
    assert first == pytest.approx(on_jax[-1]["flow"]["loss"]["h"], rel=1e-3)
    assert last != pytest.approx(first, rel=1e-3)


def test_a_model_is_as_it_was_after_it_was_watched():
    model = watched.model()
    before = model(watched.TOKENS)
    diagnose(model, watched.TOKENS, watched.TARGETS, "mse")
    np.testing.assert_array_equal(before, model(watched.TOKENS))
    with pytest.raises(DataError, match=r"does not take these: .*Expected shape"):
        watch(model, np.zeros((2, 3, 4)))
    assert not any("inner_loop" in vars(layer) for layer in model._flatten_layers())


def own(layer):
    return keras.Sequential([keras.Input((3, 2)), layer])


each = keras.layers.TimeDistributed


@pytest.mark.parametrize(
    ("model", "x", "expected"),
    [
        (own(keras.layers.Dense(1)), np.ones((1, 3, 2)), "with a recurrent layer"),
        (own(layers.GRU(1)), np.ones((0, 3, 2)), "received none"),
        (
            keras.Sequential([keras.Input((2, 3, 2)), each(layers.GRU(1))]),
            np.ones((1, 2, 3, 2)),
            "is called once, received 2 calls",
        ),
        (
            keras.Sequential(
                [keras.Input(batch_shape=(1, 3, 2)), layers.GRU(1, stateful=True)]
            ),
            np.ones((1, 3, 2)),
            "expected stateful=False",
        ),
        (own(layers.GRU(1)), np.full((1, 3, 2), np.nan), "finite numbers"),
        (
            own(keras.layers.RNN(NestedStates(2))),
            np.ones((1, 3, 2)),
            "expected a cell whose equations are known: .*; write it with @refrain",
        ),
    ],
    ids=["no recurrence", "no sequence", "mapped", "stateful", "not finite", "opaque"],
)
def test_what_cannot_be_followed_is_refused(model, x, expected):
    with pytest.raises(DataError, match=expected):
        diagnose(model, x)


def test_a_loss_leaves_out_what_a_mask_does(rng):
    model = keras.Sequential(
        [
            keras.Input((4, 2)),
            keras.layers.Masking(),
            layers.GRU(2, return_sequences=True),
        ]
    )
    x, y = rng.normal(size=(2, 4, 2)), rng.normal(size=(2, 4, 2))
    x[:, 2:] = 0.0
    (heard,) = watch(model, x, y, "mse")
    assert heard.walks[0].counts.tolist() == [2, 2]
    expected = (np.asarray(model(x)) - y) / 2  # of two sequences, each 2 steps of 2
    np.testing.assert_allclose(heard.grad_outputs[:, :2], expected[:, :2], rtol=1e-4)
    assert not heard.grad_outputs[:, 2:].any()


def test_targets_need_a_loss():
    with pytest.raises(DataError, match="expected a loss for the targets"):
        diagnose(own(layers.GRU(1)), np.ones((1, 3, 2)), np.ones((1, 1)))


def test_gates_are_what_the_interpreter_computes(rng):
    sized = cells.lstm(3)
    way, *_ = taken(sized, rng, MASK)
    found = activations(way)
    assert list(found) == ["i", "f", "g", "o"]
    h, x = way.states["h"][:, :-1], way.x
    z = x @ way.weights["W.f"] + h @ way.weights["U.f"] + way.weights["b.f"]
    np.testing.assert_allclose(found["f"], 1 / (1 + np.exp(-z)))
    told = activity(way)
    counted = found["f"][way.counted]
    gate = told.gates[1]
    assert len(counted) == LENGTHS.sum()
    assert gate.mean == pytest.approx(counted.mean())
    assert gate.near_high == (counted > 0.95).mean()
    assert gate.near_low == (counted < 0.05).mean()
    assert gate.by_unit == pytest.approx(tuple(counted.mean(0)))
    longest = LENGTHS >= 6
    assert gate.by_step[0] == pytest.approx(found["f"][longest, 0].mean())
    (keep,) = told.keeps
    assert (keep.state, keep.factor) == ("c", "f")
    assert keep.holds == (counted > 0.9).mean()
    constants = -1 / np.log(counted).mean(0)
    assert keep.time_constants == pytest.approx(tuple(constants))


@pytest.mark.parametrize("sized", CELLS, ids=lambda s: s.cell.name)
def test_gates_of_any_cell_lie_in_their_ranges(sized, rng):
    told = activity(taken(sized, rng)[0])
    for gate in told.gates:
        assert gate.low <= min(gate.by_unit) <= max(gate.by_unit) <= gate.high
    assert told.dead == 0


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        (cells.gru, {"h": "z"}),
        (cells.coupled_lstm, {"c": "1 - i"}),
        (cells.mgu, {"h": "1 - f"}),
        (cells.slstm, {"c": "f", "n": "f"}),
        (cells.simple_rnn, {}),
        (cells.janet, {"h": "kept"}),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_the_factor_that_keeps_a_state_is_found(cell, kept, rng):
    told = activity(taken(sized_cell(cell, 3), rng)[0])
    assert {keep.state: keep.factor for keep in told.keeps} == kept


def test_dead_units_are_counted():
    sized = cells.simple_rnn(3, activation="relu")
    weights = {"W": np.ones((1, 3)), "U": np.zeros((3, 3)), "b": np.array([0, -9, -9])}
    x = np.random.default_rng(0).normal(size=(2, 5, 1))
    assert activity(walk(sized, weights, x)).dead == 2


def flow_of(largest=(1.0, 1.0), horizon=None, steps=100):
    return GradientFlow("lstm", 1, steps, (), (), largest, {}, {}, horizon)


def test_remarks_follow_stated_thresholds():
    calm = Activity((), (), 10, 1)
    assert remarks(flow_of(horizon=50), calm) == ()
    (vanishing,) = remarks(flow_of(horizon=49), calm)
    assert vanishing.kind == "vanishing"
    assert "below 1% after 49 of 100 steps" in vanishing.finding
    assert "gates" in vanishing.advice
    loose = Activity((), (Keep("c", "f", 0.4, 0.0, (1.0,)),), 10, 0)
    assert "bias of the forget gate" in remarks(flow_of(horizon=9), loose)[0].advice
    (exploding,) = remarks(flow_of(largest=(1.0, 7.0, 101.0)), calm)
    assert exploding.finding.endswith("up to 1e+02-fold over 2 steps")
    assert "clipnorm" in exploding.advice
    (dead,) = remarks(flow_of(), Activity((), (), 10, 2))
    assert dead.finding.startswith("2 of 10 units")


def test_a_saturated_gate_is_remarked_upon(rng):
    sized = cells.lstm(2)
    way, *_ = taken(sized, rng)
    weights = {**way.weights, "b.f": np.full(2, 20.0)}
    told = activity(walk(sized, weights, way.x))
    (remark,) = (r for r in remarks(flow_of(), told) if r.finding.startswith("f "))
    assert remark.kind == "saturated"
    assert "from 1 in 100% of all steps" in remark.finding
