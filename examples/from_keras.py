"""A model that Keras's own layers have trained, with refrain's layers in its place.

Weights are the same arrays in the same order, so they move with `get_weights` and
`set_weights`, in either direction.
"""

import keras
import numpy as np

from refrain.keras import layers


def build(library) -> keras.Model:
    """The same model from either library's layers."""
    return keras.Sequential(
        [
            library.Input((None,)),
            library.Embedding(50, 8, mask_zero=True),
            library.Bidirectional(library.LSTM(16, return_sequences=True)),
            library.GRU(16),
            library.Dense(1, activation="sigmoid"),
        ]
    )


def main() -> None:
    rng = np.random.default_rng(0)
    words = rng.integers(1, 50, size=(256, 20))
    words[:, 15:] = 0  # padding, which the mask leaves out
    answers = (words[:, :5].sum(axis=1) > 125).astype("float32")

    trained = build(keras.layers)
    trained.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    trained.fit(words, answers, epochs=3, verbose=0)

    model = build(layers)
    model.set_weights(trained.get_weights())
    difference = np.abs(
        model.predict(words, verbose=0) - trained.predict(words, verbose=0)
    ).max()
    print(f"largest difference of two predictions: {difference:.1e}")
    for layer in model.layers:
        if hasattr(layer, "explain"):
            print(layer.explain())


if __name__ == "__main__":
    main()
