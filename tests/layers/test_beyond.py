"""Zoneout, resets, lengths, all states, trained first states: against plain loops.

`test_backends.py` runs this file once more on other backends.
"""

from itertools import pairwise

import keras
import numpy as np
import pytest

from refrain import cells, layers
from tests.layers.contract import (
    Case,
    Trial,
    array,
    close,
    copy_weights,
    flat,
    initial_states,
    mask_of,
    random_weight,
    real,
)
from tests.layers.samples import two_faced

BATCH, STEPS, FEATURES = 3, 7, 4
KINDS = {
    "lstm": lambda **more: layers.LSTM(5, **more),
    "gru": lambda **more: layers.GRU(5, **more),
    "output is no state": lambda **more: layers.RNN(two_faced(5), **more),
    "sizes differ": lambda **more: layers.RNN(
        cells.lstm_projection(6, projection=4), **more
    ),
    "stacked": lambda **more: layers.RNN(
        [layers.LSTMCell(3), two_faced(5), layers.GRUCell(2)], **more
    ),
}


def made(kind, **arguments):
    layer = KINDS[kind](**arguments)
    layer.build((BATCH, STEPS, FEATURES))
    rng = np.random.default_rng(3)
    layer.set_weights([random_weight(rng, w.shape) for w in layer.weights])
    return layer


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def x(rng):
    return real(rng, BATCH, STEPS, FEATURES)


@pytest.fixture
def resets(rng):
    found = rng.random((BATCH, STEPS)) < 0.3
    found[0, 3], found[1] = True, False
    return found


def step_by_step(layer, x, states, before=lambda t, states: states, mask=None):
    """Outputs and states after each step, one call of the layer a step."""
    outputs, history = [], []
    for t in range(x.shape[1]):
        states = before(t, states)
        given = {} if mask is None else {"mask": mask[:, t : t + 1]}
        output, *found = layer(x[:, t : t + 1], initial_state=states, **given)
        states = found
        outputs.append(array(output)[:, 0])
        history.append(flat(states))
    every = [np.stack(s, axis=1) for s in zip(*history, strict=True)]
    return np.stack(outputs, axis=1), every


# -- all states ----------------------------------------------------------------


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("sequences", [True, False])
def test_all_states_are_those_of_single_steps(kind, x, sequences):
    layer = made(kind, return_sequences=sequences, return_all_states=True)
    single = made(kind, return_sequences=True, return_state=True)
    y, *every = flat(layer(x))
    outputs, expected = step_by_step(single, x, single.get_initial_state(BATCH))
    close([y, *every], [outputs if sequences else outputs[:, -1], *expected])
    shapes = layer.compute_output_shape(x.shape)
    assert [tuple(s) for s in shapes] == [y.shape, *(s.shape for s in every)]


def test_last_states_come_before_all_states(x):
    layer = made("lstm", return_state=True, return_all_states=True)
    _, h, c, every_h, every_c = flat(layer(x))
    close([h, c], [every_h[:, -1], every_c[:, -1]])
    inputs = keras.Input((STEPS, FEATURES))
    model = keras.Model(inputs, layer(inputs))
    close(flat(model(x)), flat(layer(x)))


@pytest.mark.usefixtures("path")
def test_masked_steps_keep_all_states(x, rng):
    layer = made("lstm", return_all_states=True)
    mask = mask_of("rows", BATCH, STEPS)
    first = initial_states(layer, BATCH, rng)
    _, h, c = flat(layer(x, mask=mask, initial_state=first))
    for every, start in zip((h, c), first, strict=True):
        before = np.concatenate([np.asarray(start)[:, None], every[:, :-1]], axis=1)
        np.testing.assert_array_equal(every[~mask], before[~mask])


# -- resets --------------------------------------------------------------------


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("trained", [False, True])
def test_a_reset_begins_a_sequence_anew(kind, x, resets, trained, rng):
    """Every piece between resets is what it would be alone."""
    layer = made(
        kind, return_sequences=True, return_state=True, trainable_initial_state=trained
    )
    first = initial_states(layer, BATCH, rng)
    mask = rng.random((BATCH, STEPS)) < 0.7
    y, *last = flat(layer(x, initial_state=first, resets=resets, mask=mask))
    for k in range(BATCH):
        begins = [0, *(t for t in range(1, STEPS) if resets[k, t]), STEPS]
        for begin, end in pairwise(begins):
            own = {"mask": mask[k : k + 1, begin:end]}
            if begin == 0 and not resets[k, 0]:
                own["initial_state"] = keras.tree.map_structure(
                    lambda a, k=k: a[k : k + 1], first
                )
            expected, *ends = flat(layer(x[k : k + 1, begin:end], **own))
            np.testing.assert_allclose(y[k, begin:end], expected[0], atol=2e-6)
        close([s[k] for s in last], [e[0] for e in ends])


def test_a_stack_turned_round_resets_where_its_first_cell_does(x):
    resets = np.zeros((BATCH, STEPS), bool)
    resets[:, 3] = True
    layer = made("stacked", return_sequences=True, go_backwards=True)
    (found,) = flat(layer(x, resets=resets))
    pieces = [flat(layer(p))[0] for p in (x[:, 3:], x[:, :3])]
    close([found], [np.concatenate(pieces, axis=1)])


def test_kept_states_are_reset_where_the_batch_says_so(x):
    layer = made("lstm", stateful=True)
    (first,) = flat(layer(x))
    resets = np.zeros((BATCH, STEPS), bool)
    resets[1, 0] = True
    (found,) = flat(layer(x, resets=resets))
    close([found[1]], [first[1]])
    assert np.abs(found[0] - first[0]).max() > 1e-3


def test_the_mask_of_an_embedding_counts_beside_resets(rng):
    embedding = keras.layers.Embedding(9, 4, mask_zero=True)
    words = rng.integers(1, 9, size=(BATCH, STEPS))
    words[:, 4:] = 0
    layer, none = made("lstm"), np.zeros((BATCH, STEPS), bool)
    close(flat(layer(embedding(words), resets=none)), flat(layer(embedding(words))))


# -- lengths -------------------------------------------------------------------


@pytest.mark.parametrize("make", [layers.LSTM, "both"])
def test_lengths_are_a_mask(make, x):
    lengths = np.array([7, 0, 4])
    both = make == "both"
    layer = layers.Bidirectional(layers.GRU(3)) if both else make(3)
    mask = np.arange(STEPS) < lengths[:, None]
    close(flat(layer(x, lengths=lengths)), flat(layer(x, mask=mask)), 0.0)


def test_layers_above_read_the_mask_of_lengths(x):
    below, above = made("gru", return_sequences=True), layers.LSTM(3)
    lengths = np.array([7, 2, 4])
    found = flat(above(below(x, lengths=lengths)))
    mask = np.arange(STEPS) < lengths[:, None]
    close(found, flat(above(below(x, mask=mask), mask=mask)), 0.0)


# -- zoneout -------------------------------------------------------------------

RATES = {"h": 0.2, "c": 0.6}


@pytest.mark.usefixtures("path")
def test_zoneout_in_use_is_the_expectation(x):
    layer = made("lstm", zoneout=RATES, return_sequences=True, return_all_states=True)
    single = made("lstm", return_sequences=True, return_state=True)
    y, h, c = flat(layer(x))
    states = [np.zeros((BATCH, 5), "float32")] * 2
    for t in range(STEPS):
        _, *new = flat(single(x[:, t : t + 1], initial_state=states))
        states = [
            rate * old + (1 - rate) * fresh
            for rate, old, fresh in zip(RATES.values(), states, new, strict=True)
        ]
        close([y[:, t], h[:, t], c[:, t]], [states[0], *states])


@pytest.mark.usefixtures("path")
def test_zoneout_in_training_keeps_old_values_or_takes_new_ones(x, rng):
    x = real(rng, 40, STEPS, FEATURES)
    layer = made("lstm", zoneout=RATES, return_sequences=True, return_all_states=True)
    single = made("lstm", return_sequences=True, return_state=True)
    _, h, c = flat(layer(x, training=True))
    kept = []
    states = [np.zeros((40, 5), "float32")] * 2
    for t in range(STEPS):
        _, *new = flat(single(x[:, t : t + 1], initial_state=states))
        now = [h[:, t], c[:, t]]
        keeps = [n == old for n, old in zip(now, states, strict=True)]
        close(now, [np.where(*a) for a in zip(keeps, states, new, strict=True)])
        kept.append(keeps)
        states = now
    for rate, keeps in zip(RATES.values(), np.moveaxis(kept, 1, 0), strict=True):
        count = keeps.size  # within five standard deviations
        assert abs(keeps.mean() - rate) < 5 * (rate * (1 - rate) / count) ** 0.5
        assert keeps.mean(axis=(1, 2)).std() > 0  # drawn anew at each step
        assert (keeps[0] != keeps[1]).any()


@pytest.mark.usefixtures("path")
def test_seeds_repeat_what_is_drawn(x):
    def outputs(seed):
        return flat(made("gru", zoneout=0.5, seed=seed)(x, training=True))[0]

    np.testing.assert_array_equal(outputs(5), outputs(5))
    assert np.abs(outputs(5) - outputs(6)).max() > 1e-3


def test_both_paths_draw_the_same(kind, x, monkeypatch):
    found = []
    for wish in ("require", "off"):
        monkeypatch.setenv("REFRAIN_KERNELS", wish)
        keras.utils.set_random_seed(4)
        layer = made(kind, zoneout=0.4, return_sequences=True, go_backwards=True)
        found.append(flat(layer(x, training=True)))
    close(*found)
    plain = made(kind, return_sequences=True, go_backwards=True)
    assert np.abs(found[0][0] - flat(plain(x))[0]).max() > 1e-3


# -- trained first states --------------------------------------------------------


@pytest.mark.usefixtures("path")
def test_sequences_start_at_trained_states(kind, x):
    layer = made(kind, trainable_initial_state=True)
    plain = made(kind)
    count = len(plain.weights)
    plain.set_weights([array(w.value) for w in layer.weights[:count]])
    vectors = [array(w.value) for w in layer.weights[count:]]
    zeros = plain.get_initial_state(BATCH)
    starts = [np.tile(v, (BATCH, 1)) for v in vectors]
    states = keras.tree.pack_sequence_as(zeros, starts)
    close(flat(layer(x)), flat(plain(x, initial_state=states)))
    given = layer(x, initial_state=zeros)
    close(flat(given), flat(plain(x)))


@pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")  # Keras's
def test_all_of_it_is_saved(kind, x, resets, tmp_path):
    layer = made(
        kind, zoneout=0.3, return_all_states=True, trainable_initial_state=True
    )
    inputs, marks = keras.Input((STEPS, FEATURES)), keras.Input((STEPS,), dtype="bool")
    model = keras.Model([inputs, marks], layer(inputs, resets=marks))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    close(flat(again([x, resets])), flat(model([x, resets])), 0.0)
    found, config = again.layers[-1].get_config(), layer.get_config()
    for name in ("zoneout", "return_all_states", "trainable_initial_state"):
        assert found[name] == config[name]


def test_configurations_state_what_is_asked_for_alone():
    plain = layers.GRU(3).get_config()
    assert not {"zoneout", "return_all_states", "trainable_initial_state"} & set(plain)
    keras.layers.GRU.from_config(plain)
    config = layers.GRU(3, zoneout={"h": 0.1}).get_config()
    assert config["zoneout"] == {"h": 0.1}
    assert layers.GRU.from_config(config).zoneout == {"h": 0.1}


# -- gradients -----------------------------------------------------------------

EVERYTHING = {
    "return_sequences": True,
    "return_all_states": True,
    "trainable_initial_state": True,
}


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("kind", ["lstm", "output is no state", "stacked"])
def test_gradients_are_directional_differences(kind, resets):
    """Of outputs and all states, along a random direction, in float64."""

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float64")
    try:
        if keras.backend.backend() != "jax":
            _compare_slopes(kind, resets)
            return
        import jax

        with jax.enable_x64(True):
            _compare_slopes(kind, resets)
    finally:
        keras.config.set_dtype_policy(before)


def _compare_slopes(kind, resets):
    def make(_):
        return KINDS[kind](zoneout=0.3, go_backwards=True, **EVERYTHING)

    trial = Trial(layers, Case(make, BATCH, STEPS, FEATURES, mask="holes"))
    trial.call["resets"] = resets
    trial.x = trial.x.astype("float64")
    found = trial.gradients()
    outputs = [v for n, v in found.items() if n.startswith("output")]
    rng = np.random.default_rng(1)
    factors = [rng.normal(size=o.shape).astype("float32") for o in outputs]
    variables = trial.layer.trainable_variables
    names = ["x", *(f"{k} {v.name}" for k, v in enumerate(variables))]
    points = [trial.x, *(array(v.value) for v in variables)]
    directions = [np.random.default_rng(5).normal(size=p.shape) for p in points]
    slope = sum(
        np.sum(found[f"gradient of {n}"] * d)
        for n, d in zip(names, directions, strict=True)
    )

    def loss(scale):
        x, *values = (p + scale * d for p, d in zip(points, directions, strict=True))
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        results = flat(trial.layer(x, **trial.call))
        return sum(np.sum(f * r) for f, r in zip(factors, results, strict=True))

    eps = 1e-5
    assert slope == pytest.approx((loss(eps) - loss(-eps)) / (2 * eps), rel=1e-6)


def test_clones_compute_the_same(x):
    model = keras.Sequential(
        [keras.Input((STEPS, FEATURES)), made("lstm", trainable_initial_state=True)]
    )
    other = keras.models.clone_model(model)
    copy_weights(model, other)
    close(flat(other(x)), flat(model(x)))
