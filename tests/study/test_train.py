import math
import os
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from refrain import layers
from refrain.errors import RefrainError
from refrain.study.batches import Arrays
from refrain.study.train import predict, train
from refrain.study.training import Budget

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

BUDGET = Budget(epochs=6, patience=2, batch_size=16, seed=4)


def build():
    inputs = keras.Input((5, 2))
    return keras.Model(inputs, keras.layers.Dense(1)(layers.GRU(3)(inputs)))


def arrays(windows=48):
    x = np.random.default_rng(2).normal(size=(windows, 5, 2)).astype("float32")
    y = x.sum(axis=(1, 2))[:, None]
    half = windows // 2
    return Arrays(x[:half], y[:half], x[half:], y[half:])


@pytest.fixture(scope="module")
def trained():
    return train(build, arrays(), BUDGET)


def test_the_weights_of_the_best_epoch_are_kept(trained):
    model, training = trained
    data = arrays()
    best = min(training.validation_loss)
    assert training.validation_loss[training.best_epoch - 1] == best
    wrong = np.abs(predict(model, data.validation_x) - data.validation_y).mean()
    assert wrong == pytest.approx(best, rel=1e-5)


def test_what_was_spent_is_told(trained):
    _, training = trained
    assert training.epochs == len(training.loss) == len(training.validation_loss) == 6
    assert training.train_s >= training.first_epoch_s > 0
    assert training.epoch_s > 0


def test_the_same_seed_trains_the_same_network(trained):
    _, again = train(build, arrays(), BUDGET)
    assert again.validation_loss == trained[1].validation_loss
    _, other = train(build, arrays(), replace(BUDGET, seed=5))
    assert other.validation_loss != again.validation_loss


def test_training_stops_when_it_gets_no_better():
    data = arrays()
    # The targets of the validation part have nothing to do with those learnt.
    data = replace(data, validation_y=-data.validation_y)
    budget = replace(BUDGET, epochs=50, learning_rate=0.03)
    _, training = train(build, data, budget)
    assert training.epochs == training.best_epoch + budget.patience < 50


def test_one_epoch_has_no_median_of_the_others():
    _, training = train(build, arrays(), replace(BUDGET, epochs=1))
    assert training.epoch_s is None


def test_progress_holds_the_best_loss_so_far():
    seen = []
    _, training = train(build, arrays(), BUDGET, seen.append)
    assert (seen[0].epoch, seen[0].best) == (0, math.inf)
    losses = [progress.validation_loss for progress in seen[1:]]
    assert losses == list(training.validation_loss)
    assert [p.best for p in seen[1:]] == np.minimum.accumulate(losses).tolist()


def test_diverging_training_is_an_error():
    with pytest.raises(RefrainError, match="training diverged: no epoch had a finite"):
        train(build, arrays(), replace(BUDGET, learning_rate=3e38))


def test_a_backend_without_gradients_is_refused():
    code = (
        "from refrain.study.train import train\n"
        "try:\n    train(None, None, None)\n"
        "except Exception as error:\n    print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "numpy"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("RefrainError Keras's NumPy backend cannot train")
