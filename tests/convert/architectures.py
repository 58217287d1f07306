"""Models of many shapes, as people build them with Keras."""

import keras
import numpy as np
from keras import layers, ops

BATCH, STEPS, FEATURES, WORDS = 6, 5, 3, 11


def real(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def words() -> np.ndarray:
    """Sentences, padded with 0 at the end."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(1, WORDS, size=(BATCH, STEPS))
    return np.where(np.arange(STEPS) < rng.integers(2, STEPS + 1, (BATCH, 1)), drawn, 0)


def sequence() -> np.ndarray:
    return real(BATCH, STEPS, FEATURES)


def sequential():
    return keras.Sequential(
        [
            keras.Input((STEPS, FEATURES)),
            layers.LSTM(4, return_sequences=True),
            layers.GRU(3, return_sequences=True, reset_after=False),
            layers.SimpleRNN(4, go_backwards=True),
            layers.Dense(1),
        ]
    ), sequence()


def with_dropout():
    """With seeds: without, torch draws from its own generator, which no model keeps."""
    dropped = {"dropout": 0.3, "recurrent_dropout": 0.2, "seed": 1}
    return keras.Sequential(
        [
            keras.Input((None, FEATURES)),
            layers.LSTM(4, **dropped, return_sequences=True),
            layers.Dropout(0.4, seed=2),
            layers.GRU(3, dropout=0.2, seed=3),
            layers.BatchNormalization(),
            layers.Dense(1),
        ]
    ), sequence()


def tagger():
    """Masks from an embedding, through both directions."""
    return keras.Sequential(
        [
            keras.Input((STEPS,)),
            layers.Embedding(WORDS, 4, mask_zero=True),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True)),
            layers.Bidirectional(layers.GRU(3), merge_mode="sum"),
            layers.Dense(2, activation="softmax"),
        ]
    ), words()


def branches():
    """A layer that is called twice, operations, lambdas, and two outputs."""
    entry = keras.Input((STEPS, FEATURES))
    shared = layers.LSTM(4, return_sequences=True, name="shared")
    both = layers.Concatenate()([shared(entry), shared(entry * 2.0)])
    scale = 3.0
    state = layers.GRU(3)(layers.Lambda(lambda v: v * scale)(both))
    first = layers.Dense(1, activation=lambda v: v * scale, name="first")(state)
    second = layers.Dense(2, name="second")(ops.tanh(state))
    return keras.Model(entry, [first, second]), sequence()


def encoder_decoder():
    source = keras.Input((STEPS, FEATURES), name="source")
    target = keras.Input((STEPS - 1, 2), name="target")
    _, h, c = layers.LSTM(4, return_state=True)(source)
    decoded = layers.LSTM(4, return_sequences=True)(target, initial_state=[h, c])
    model = keras.Model([source, target], layers.Dense(2)(decoded))
    return model, [sequence(), real(BATCH, STEPS - 1, 2)]


def nested():
    """A model inside a model, one inside TimeDistributed, and a layer of both."""
    shared = layers.SimpleRNN(4, name="shared")
    entry = keras.Input((STEPS, FEATURES))
    inner = keras.Sequential([entry, shared], name="inner")
    other = keras.Sequential([entry, shared, layers.Dense(3)], name="other")
    one, many = keras.Input((STEPS, FEATURES)), keras.Input((2, STEPS, FEATURES))
    rows = layers.TimeDistributed(layers.GRU(3, name="row"))(many)
    parts = [inner(one), other(one), layers.LSTM(2)(rows)]
    model = keras.Model([one, many], layers.Dense(1)(layers.Concatenate()(parts)))
    return model, [sequence(), real(BATCH, 2, STEPS, FEATURES)]


def stacked_cells():
    cells = [layers.LSTMCell(3, dropout=0.1, seed=4), layers.GRUCell(4)]
    two = layers.Bidirectional(
        layers.GRU(3, return_sequences=True),
        backward_layer=layers.SimpleRNN(3, go_backwards=True, return_sequences=True),
    )
    model = [keras.Input((STEPS, FEATURES)), two, layers.RNN(cells), layers.Dense(1)]
    return keras.Sequential(model), sequence()


def stateful():
    return keras.Sequential(
        [
            keras.Input(batch_shape=(BATCH, STEPS, FEATURES)),
            layers.GRU(4, stateful=True, return_sequences=True),
            layers.LSTM(3, stateful=True),
            layers.Dense(1),
        ]
    ), sequence()


def partly_frozen():
    model, x = tagger()
    model.layers[1].trainable = False
    return model, x


class Pair(keras.Model):
    """A subclass with a configuration, that makes its layers itself."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.second = keras.layers.GRU(units)
        self.first = keras.layers.LSTM(units, return_sequences=True)
        self.last = keras.layers.Dense(1)

    def call(self, x, training=None):
        return self.last(self.second(self.first(x), training=training))

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def subclassed():
    model = Pair(units=4)
    model(sequence())
    return model, sequence()


class Smoothed(keras.layers.Layer):
    """A layer of the user's, not registered, around one of Keras's."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.inner = keras.layers.LSTM(units, return_sequences=True)

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x):
        y = self.inner(x)
        return (y[:, 1:] + y[:, :-1]) / 2

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def small(weights):
    """A penalty of the user's, not registered."""
    return 0.01 * ops.sum(ops.square(weights))


def own_layers():
    entry = keras.Input((STEPS, FEATURES))
    hidden = layers.LSTM(4, kernel_regularizer=small, return_sequences=True)(entry)
    return keras.Model(entry, layers.GRU(2)(Smoothed(3)(hidden))), sequence()


ALL = [
    *(sequential, with_dropout, tagger, branches, encoder_decoder, nested),
    *(stacked_cells, stateful, partly_frozen, subclassed, own_layers),
]
