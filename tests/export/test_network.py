"""Whole models compute in ONNX Runtime what they compute in Keras."""

import keras
import numpy as np
import pytest

from refrain.errors import ExportError
from refrain.export.network import write_network
from refrain.export.session import run
from refrain.keras import layers
from refrain.network.live import network_of
from tests.layers.samples import mgu, two_faced

L = layers
SIZES = ((1, 1), (3, 11))


def stacked():
    return [
        L.Input((None, 3)),
        L.LSTM(5, return_sequences=True),
        L.GRU(4, reset_after=False, return_sequences=True, go_backwards=True),
        L.SimpleRNN(6),
        L.Dense(2, activation="softmax"),
    ]


def text(mask_zero=True):
    return [
        L.Input((None,), dtype="int32"),
        L.Embedding(9, 4, mask_zero=mask_zero),
        L.Bidirectional(L.LSTM(3, return_sequences=True)),
        L.LayerNormalization(),
        L.Bidirectional(L.GRU(4), merge_mode="ave"),
        L.Dense(1, activation="sigmoid"),
    ]


def own_cells():
    return [
        L.Input((None, 3)),
        L.Masking(),
        L.RNN([mgu(4), two_faced(5)], return_sequences=True),
        L.TimeDistributed(L.Dense(3, activation="relu")),
        L.Bidirectional(L.RNN(mgu(2)), merge_mode="mul"),
    ]


def tagging():
    return [
        L.Input((None,), dtype="int32"),
        L.Embedding(9, 4, mask_zero=True),
        L.LSTM(5, return_sequences=True, go_backwards=True, zero_output_for_mask=True),
        L.Dropout(0.5),
        L.BatchNormalization(),
        L.Dense(4),
    ]


def branches():
    words = L.Input((None,), dtype="int32", name="words")
    signal = L.Input((None, 3), name="signal")
    embedded = L.Embedding(9, 4)(words)
    read, *states = L.LSTM(4, return_state=True, return_sequences=True)(embedded)
    both = L.Concatenate()([read, signal])
    answer = L.LSTM(4, return_sequences=True)(both, initial_state=states)
    pooled = L.GlobalAveragePooling1D()(answer)
    total = L.Add()([pooled, states[0]])
    return keras.Model([words, signal], [L.Dense(2)(total), answer, states[1]])


def masked_branches():
    words = L.Input((None,), dtype="int32", name="words")
    embedded = L.Embedding(9, 4, mask_zero=True)(words)
    read = L.GRU(4, return_sequences=True)(embedded)
    other = L.Masking(mask_value=0.5)(L.Embedding(9, 4)(words))
    both = L.Concatenate()([read, L.Add()([embedded, other])])
    return keras.Model(words, L.LSTM(3, go_backwards=True)(both))


MODELS = {
    "masked branches": masked_branches,
    "stacked": lambda: keras.Sequential(stacked()),
    "text": lambda: keras.Sequential(text()),
    "text without mask": lambda: keras.Sequential(text(mask_zero=False)),
    "own cells": lambda: keras.Sequential(own_cells()),
    "tagging": lambda: keras.Sequential(tagging()),
    "branches": branches,
}


def made(name, rng):
    model = MODELS[name]()
    for variable in model.weights:
        low = 0.3 if "variance" in variable.name else -0.7
        variable.assign(rng.uniform(low, 0.9, variable.shape))
    return model


def inputs_of(model, batch, timesteps, rng):
    feed = {}
    for tensor in model.inputs:
        name = tensor._keras_history.operation.name
        shape = (batch, *(timesteps if n is None else n for n in tensor.shape[1:]))
        if len(shape) == 2:
            feed[name] = rng.integers(0, 9, shape).astype("int32")
        else:
            feed[name] = rng.normal(size=shape).astype("float32")
            if timesteps > 2:
                feed[name][0, 1] = 0.0  # a step that Masking leaves out
    return feed


def predicted(model, feed):
    outputs = model(
        [feed[n] for n in feed] if len(feed) > 1 else next(iter(feed.values()))
    )
    return [keras.ops.convert_to_numpy(o) for o in keras.tree.flatten(outputs)]


@pytest.mark.parametrize("name", MODELS)
def test_model_computes_the_same(name, rng):
    model = made(name, rng)
    exported = write_network(network_of(model), streaming=False, lengths=False)
    feeds = [inputs_of(model, *size, rng) for size in SIZES]
    for feed, found in zip(feeds, run(exported.model, *feeds), strict=True):
        expected = predicted(model, feed)
        assert len(found) == len(expected)
        for value, result in zip(expected, found.values(), strict=True):
            np.testing.assert_allclose(result, value, rtol=1e-5, atol=2e-6)


def test_inputs_and_outputs_are_named_and_dynamic(rng):
    model = write_network(network_of(made("branches", rng)), False, False).model

    def told(values):
        return {
            v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
            for v in values
        }

    assert told(model.graph.input) == {
        "words": ["batch", "time"],
        "signal": ["batch", "time", 3],
    }
    shapes = list(told(model.graph.output).values())
    assert shapes == [["batch", 2], ["batch", "time", 4], ["batch", 4]]


def test_lengths_stand_for_masks(rng):
    model = made("text", rng)
    exported = write_network(network_of(model), streaming=False, lengths=True)
    feed = inputs_of(model, 4, 9, rng)
    (name,) = feed
    lengths = np.array([9, 4, 1, 6], "int32")
    feed[name] = np.where(feed[name] == 0, 3, feed[name])
    padded = np.where(np.arange(9) < lengths[:, None], feed[name], 0).astype("int32")
    (found,) = run(exported.model, feed | {"lengths": lengths})
    (expected,) = predicted(model, {name: padded})
    np.testing.assert_allclose(*found.values(), expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("lengths", [False, True])
def test_every_array_of_a_file_is_read(streaming, lengths):
    made = [L.LSTM(4, return_sequences=True), L.GRU(3, return_sequences=True)]
    network = network_of(keras.Sequential([L.Input((None, 3)), *made, L.Dense(2)]))
    graph = write_network(network, streaming=streaming, lengths=lengths).model.graph
    read = {name for node in graph.node for name in node.input}
    assert {array.name for array in graph.initializer} <= read


@pytest.mark.parametrize(
    "cell", [L.LSTM, L.GRU, lambda n, **k: L.RNN(two_faced(n), **k)]
)
def test_chunks_continue_each_other(cell, rng):
    layers = [
        L.Input((None,), dtype="int32"),
        L.Embedding(9, 4, mask_zero=True),
        cell(5, return_sequences=True),
        L.RNN([mgu(4), mgu(3)], return_sequences=True),
        L.Dense(2),
    ]
    model = keras.Sequential(layers)
    for variable in model.weights:
        variable.assign(rng.uniform(-0.7, 0.9, variable.shape))
    exported = write_network(network_of(model), streaming=True, lengths=False)
    feed = inputs_of(model, 3, 12, rng)
    (name,) = feed
    (expected,) = predicted(model, feed)
    states = {n: np.zeros((3, size), "float32") for n, size in exported.states.items()}
    found, start = [], 0
    for end in (1, 2, 7, 11, 12):
        chunk = {name: feed[name][:, start:end]}
        (results,) = run(exported.model, chunk | states)
        states = {n: results[f"new_{n}"] for n in states}
        found.append(next(iter(results.values())))
        start = end
    np.testing.assert_allclose(np.concatenate(found, 1), expected, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stacked", "the layer gru.* cannot be exported for streaming: it reads the"),
        ("text", r"bidirectional.* \(Bidirectional\) cannot be exported for streaming"),
        ("branches", "its first states come from another layer"),
    ],
)
def test_what_cannot_stream_is_refused(name, message, rng):
    network = network_of(made(name, rng))
    with pytest.raises(ExportError, match=message):
        write_network(network, streaming=True, lengths=False)


def test_a_layer_without_a_rule_is_refused():
    padded = [L.Input((6, 3)), L.ZeroPadding1D(name="pad"), L.LSTM(4)]
    network = network_of(keras.Sequential(padded))
    message = r"the layer pad \(ZeroPadding1D\) cannot be exported: there is no rule"
    with pytest.raises(ExportError, match=message):
        write_network(network, streaming=False, lengths=False)
