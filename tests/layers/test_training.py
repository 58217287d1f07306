"""Every cell learns a real series, far better than a constant, on unseen years."""

import keras
import numpy as np
import pytest
import statsmodels.api

from refrain import cells, layers

WINDOW, UNITS, EPOCHS = 12, 16, 12
KNOWN = 480  # 40 years; the last 20 are held out
# Its step is tuned to the length of what it reads; the default is for hundreds.
OPTIONS = {"cornn": {"dt": 0.3}}


@pytest.fixture(scope="module")
def temperatures():
    """Monthly sea temperatures of El Niño, standardised: windows and the next month."""
    frame = statsmodels.api.datasets.elnino.load_pandas().data
    series = frame.iloc[:, 1:].to_numpy().ravel()
    series = (series - series.mean()) / series.std()
    windows = np.lib.stride_tricks.sliding_window_view(series, WINDOW + 1)
    windows = windows.astype("float32")
    return windows[:, :-1, None], windows[:, -1:]


@pytest.mark.slow
@pytest.mark.parametrize("cell", cells.ALL, ids=str)
def test_every_cell_learns_a_real_series(cell, temperatures):
    keras.utils.set_random_seed(1)
    x, y = temperatures
    sizes = dict.fromkeys(cell.sizes, UNITS)
    model = keras.Sequential([keras.Input((WINDOW, 1))])
    if cell.name.startswith("layer_norm"):
        # Of a single number, layer normalisation leaves the sign alone.
        model.add(keras.layers.Dense(8, activation="tanh"))
    model.add(layers.RNN(cell(**sizes, **OPTIONS.get(cell.name, {}))))
    model.add(keras.layers.Dense(1))
    model.compile(keras.optimizers.Adam(0.01, clipnorm=1.0), "mse")
    model.fit(x[:KNOWN], y[:KNOWN], batch_size=16, epochs=EPOCHS, verbose=0)
    error = model.evaluate(x[KNOWN:], y[KNOWN:], batch_size=256, verbose=0)
    constant = np.mean((y[KNOWN:] - y[:KNOWN].mean()) ** 2)
    assert error < 0.25 * constant


@pytest.mark.parametrize("cell", [cells.janet, cells.lru, cells.irnn], ids=str)
def test_a_layer_may_be_built_by_fit(cell):
    """First values that are functions of one's own are drawn while JAX traces."""
    model = keras.Sequential([layers.RNN(cell(4)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 3, 1)), np.ones((2, 1)), verbose=0)
    assert model.built
