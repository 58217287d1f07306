"""Cells as people write them for Keras: a layer with `state_size` and `call`."""

import keras
from keras import ops, tree


class OwnCell(keras.layers.Layer):
    """A cell of two products; `new` tells what it makes of them."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.output_size = units
        self.state_size = units

    def build(self, input_shape):
        shapes = (input_shape[-1], 2 * self.units), (self.units, 2 * self.units)
        self.kernel = self.add_weight(shape=shapes[0], name="kernel")
        self.inner = self.add_weight(shape=shapes[1], name="inner")
        self.bias = self.add_weight(shape=(2 * self.units,), name="bias")

    def call(self, inputs, states):
        z = inputs @ self.kernel + tree.flatten(states)[0] @ self.inner + self.bias
        return self.new(*ops.split(z, 2, axis=-1), states)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


class OneState(OwnCell):
    """A gate between the old state and a new one."""

    def new(self, gate, value, states):
        f = ops.sigmoid(gate)
        h = f * states[0] + (1 - f) * ops.tanh(value)
        return h, [h]


class TwoStates(OwnCell):
    """States of two sizes, and an output that is neither."""

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.state_size = [units, 1]

    def new(self, gate, value, states):
        h, mean = states
        new = ops.tanh(value) + 0.3 * h
        mean = 0.5 * mean + 0.5 * ops.mean(gate, axis=-1, keepdims=True)
        return ops.sigmoid(gate) * new + mean, [new, mean]


class NestedStates(OwnCell):
    """A pair of states in one place, and a single one in the other."""

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)
        self.state_size = [[units, units], units]

    def get_initial_state(self, batch_size=None):
        shape, dtype = (batch_size, self.units), self.compute_dtype
        h, c, slow = (ops.zeros(shape, dtype=dtype) for _ in range(3))
        return [[h, c], slow]

    def new(self, gate, value, states):
        (h, c), slow = states
        c = ops.sigmoid(gate) * c + ops.tanh(value)
        slow = 0.9 * slow + 0.1 * c
        return ops.tanh(c + slow), [[ops.tanh(c), c + 0.1 * h], slow]


class Unread(OneState):
    """An operation that equations do not know."""

    def new(self, gate, value, states):
        return super().new(ops.arctan(gate), value, states)


OWN = {cell.__name__: cell for cell in (OneState, TwoStates, NestedStates, Unread)}
for cell in OWN.values():  # as their users do, so that Bidirectional can copy them
    keras.saving.register_keras_serializable("tests")(cell)


class Around(keras.Model):
    """A subclassed model of one recurrent layer."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner
        self.supports_masking = True

    def build(self, shape):
        self.inner.build(shape)

    def call(self, x, initial_state=None, mask=None, training=False):
        return self.inner(x, initial_state=initial_state, mask=mask, training=training)

    def compute_output_shape(self, shape):
        return self.inner.compute_output_shape(shape)

    def get_config(self):
        return self.inner.get_config()
