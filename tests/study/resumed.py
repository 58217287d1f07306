"""A training in a process of its own, which may kill itself.

    python -m tests.study.resumed CHECKPOINT RESULT [epoch|writing]

`epoch` kills the process in the middle of the third epoch, `writing` while it writes
a checkpoint after the second or later.
"""

import os
import signal
import sys
import threading
from pathlib import Path

import keras
import numpy as np

from refrain import layers
from refrain.study.batches import Arrays
from refrain.study.train import train
from refrain.study.training import Budget

BUDGET = Budget(epochs=6, patience=3, batch_size=16, learning_rate=0.02, seed=3)


def build():
    inputs = keras.Input((None, 2))
    state = keras.layers.Dropout(0.2)(keras.layers.Masking()(inputs))
    state = layers.GRU(5, dropout=0.1, recurrent_dropout=0.3)(state)
    return keras.Model(inputs, keras.layers.Dense(1)(state))


def arrays(seed=2):
    random = np.random.default_rng(seed)
    lengths = random.choice([5, 12], 90)
    x = random.normal(size=(90, 12, 2)).astype("float32")
    x *= np.arange(12)[None, :, None] < lengths[:, None, None]
    y = x.sum(axis=(1, 2))[:, None]
    return Arrays(x[:60], y[:60], x[60:], y[60:], None, lengths[:60], lengths[60:])


class KillInEpoch(keras.callbacks.Callback):
    epoch = -1

    def on_epoch_begin(self, epoch, logs=None):  # noqa: ARG002
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):  # noqa: ARG002
        if (self.epoch, batch) == (2, 1):
            os.kill(os.getpid(), signal.SIGKILL)


def kill_while_writing(checkpoint: Path) -> None:
    def watch():
        while True:
            begun = any(checkpoint.parent.glob(f".{checkpoint.stem}-*"))
            if begun and checkpoint.exists():
                os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    checkpoint, result, *moment = sys.argv[1:]
    if moment == ["writing"]:
        kill_while_writing(Path(checkpoint))
    model, training = train(
        build,
        arrays(),
        BUDGET,
        callbacks=[KillInEpoch()] if moment == ["epoch"] else [],
        checkpoint=Path(checkpoint),
    )
    losses = np.array([training.loss, training.validation_loss])
    weights = {f"w{k}": w for k, w in enumerate(model.get_weights())}
    np.savez(result, losses=losses, **weights)
