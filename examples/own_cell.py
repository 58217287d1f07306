"""A cell of one's own on a real series, beside an LSTM.

The cell is a leaky one with two speeds: each unit has a rate of its own, which is
learnt, between keeping its state and following the input. The series is the one that
`refrain compare` reads without a file.
"""

import keras
import numpy as np

import refrain
from refrain import cells
from refrain.functions import sigmoid, tanh
from refrain.keras import layers
from refrain.tasks.forecast.design import Wishes, make_design
from refrain.tasks.forecast.panel import Member
from refrain.tasks.forecast.samples import cut_samples, known_origins
from refrain.tasks.series import bundled_series

UNITS, EPOCHS = 16, 30


@refrain.cell(state="h", rate=refrain.vector(initializer="uniform"))
def leaky(x, h_prev, W, U, b, rate):
    """Leaky integrator.

    Source: Jaeger et al. 2007, doi:10.1016/j.neunet.2007.04.016.
    """
    a = sigmoid(rate)
    return (1 - a) * h_prev + a * tanh(x @ W + h_prev @ U + b)


def main() -> None:
    member = Member(bundled_series())
    design = make_design([member], Wishes(horizon=6, reference="last"))
    (track,), (ends,), layout = design.tracks, design.ends, design.layout
    learnt = known_origins(track, layout, 0, ends.train)
    judged = known_origins(track, layout, ends.validation, ends.points)
    training, test = (cut_samples(track, o, layout) for o in (learnt, judged))
    truth = track.values[judged[:, None] + np.arange(6)]
    naive = np.abs(truth - track.values[judged - 1, None]).mean()
    print(f"naive forecast: mean absolute error {naive:.2f} °C")
    for cell in (leaky(UNITS), cells.lstm(UNITS)):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([layers.RNN(cell), layers.Dense(6)])
        model.compile("adam", "mae")
        model.fit(training.past, training.targets, epochs=EPOCHS, verbose=0)
        scaled = test.restore(model.predict(test.past, verbose=0)[..., None])
        forecast = track.scaling.restore(scaled[..., 0])
        error = np.abs(truth - forecast).mean()
        weights = model.layers[0].count_params()
        print(f"{cell.cell.name}: {error:.2f} °C with {weights} weights in the layer")
        print(f"  {model.layers[0].explain()}")


if __name__ == "__main__":
    main()
