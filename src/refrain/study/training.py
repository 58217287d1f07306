"""What networks may use for their training, and what it took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """What every network may use.

    Attributes:
        epochs: passes over the training windows, at most.
        patience: epochs without a better validation loss after which training stops;
            the best epoch's weights are kept.
        batch_size: windows a step of the optimiser.
        learning_rate: of Adam; gradients are clipped to norm 1.
        seed: of weights and of the order of windows.
    """

    epochs: int = 100
    patience: int = 10
    batch_size: int = 32
    learning_rate: float = 3e-3
    seed: int = 0


@dataclass(frozen=True)
class Training:
    """What it took to train a network.

    Attributes:
        train_s: wall time of the whole training, compiling included.
        first_epoch_s: the first epoch, which compiles.
        epoch_s: median of the others; None where there was only one.
        epochs: epochs run.
        best_epoch: the epoch whose weights were kept, counted from 1.
        loss: training loss after each epoch.
        validation_loss: validation loss after each epoch.
    """

    train_s: float
    first_epoch_s: float
    epoch_s: float | None
    epochs: int
    best_epoch: int
    loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
