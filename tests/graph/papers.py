"""The cells once more, by hand from the papers, in NumPy on Keras's packed arrays.

Written independently of refrain: what the traced equations must equal.
"""

import numpy as np


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def simple_rnn(x, states, kernel, recurrent_kernel, bias=0.0, activation=np.tanh):
    """Elman 1990: h = act(W x + U h' + b)."""
    (h,) = states
    outputs = []
    for t in range(x.shape[1]):
        h = activation(x[:, t] @ kernel + h @ recurrent_kernel + bias)
        outputs.append(h)
    return np.stack(outputs, axis=1), [h]


def lstm(x, states, kernel, recurrent_kernel, bias=0.0, activation=np.tanh):
    """Gers et al. 2000; Keras packs input, forget, candidate and output gate."""
    h, c = states
    units = h.shape[-1]
    outputs = []
    for t in range(x.shape[1]):
        z = x[:, t] @ kernel + h @ recurrent_kernel + bias
        c = sigmoid(z[:, units : 2 * units]) * c + sigmoid(z[:, :units]) * activation(
            z[:, 2 * units : 3 * units]
        )
        h = sigmoid(z[:, 3 * units :]) * activation(c)
        outputs.append(h)
    return np.stack(outputs, axis=1), [h, c]


def gru_reset_after(x, states, kernel, recurrent_kernel, bias, activation=np.tanh):
    """Cho et al. 2014, version 1; Keras packs update, reset and candidate."""
    (h,) = states
    units = h.shape[-1]
    outputs = []
    for t in range(x.shape[1]):
        given = x[:, t] @ kernel + bias[0]
        back = h @ recurrent_kernel + bias[1]
        z = sigmoid(given[:, :units] + back[:, :units])
        r = sigmoid(given[:, units : 2 * units] + back[:, units : 2 * units])
        n = activation(given[:, 2 * units :] + r * back[:, 2 * units :])
        h = z * h + (1 - z) * n
        outputs.append(h)
    return np.stack(outputs, axis=1), [h]


def gru_reset_before(x, states, kernel, recurrent_kernel, bias, activation=np.tanh):
    """Cho et al. 2014, version 3: the reset gate acts on the state itself."""
    (h,) = states
    units = h.shape[-1]
    outputs = []
    for t in range(x.shape[1]):
        given = x[:, t] @ kernel + bias
        back = h @ recurrent_kernel[:, : 2 * units]
        z = sigmoid(given[:, :units] + back[:, :units])
        r = sigmoid(given[:, units : 2 * units] + back[:, units:])
        n = activation(
            given[:, 2 * units :] + (r * h) @ recurrent_kernel[:, 2 * units :]
        )
        h = z * h + (1 - z) * n
        outputs.append(h)
    return np.stack(outputs, axis=1), [h]
