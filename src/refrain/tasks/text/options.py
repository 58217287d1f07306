"""The options of a text classifier, and those of its command."""

from __future__ import annotations

from dataclasses import dataclass

from refrain.tasks.job.options import option

AUTO = "auto"
LAST, ATTENTION = "last", "attention"


@dataclass(eq=False, repr=False)
class TextOptions:
    """What a text classifier can be told; each field is explained by its metadata."""

    cell: str = option(
        "bilstm",
        "Recurrent layer: rnn, lstm, gru, bilstm, any cell that `refrain cells` "
        "lists, or auto: the best of a short race of the first four.",
        metavar="NAME",
    )
    units: int = option(32, "Units of each recurrent layer.", least=1, metavar="N")
    layers: int = option(1, "Recurrent layers.", least=1, most=8, metavar="N")
    pooling: str = option(
        "mean_max",
        "How the states of all words become one: mean_max, mean, max, attention, or "
        "last: the state behind the last word.",
        choices=("mean_max", "mean", "max", ATTENTION, LAST),
        metavar="NAME",
    )
    embedding: int = option(
        64, "Numbers a word; those of --vectors count.", least=1, metavar="N"
    )
    tokens: str = option(
        "words",
        "What a text is cut into: words, or bpe (pieces of words).",
        choices=("words", "bpe"),
        metavar="NAME",
    )
    vocabulary: int = option(
        20_000, "Words known, at most.", least=10, most=1_000_000, metavar="N"
    )
    min_count: int = option(
        2, "A word is known if it occurs so often.", least=1, metavar="N"
    )
    max_length: int = option(
        400, "Words read of a text, from its beginning.", least=1, metavar="N"
    )
    vectors: str | None = option(
        None,
        "Text file of word vectors (GloVe, word2vec, fastText) to begin with.",
        metavar="FILE",
    )
    dropout: float = option(
        0.5, "Share of numbers dropped in training.", least=0, most=0.95, metavar="X"
    )
    word_dropout: float = option(
        0.1, "Share of words dropped in training.", least=0, most=0.95, metavar="X"
    )
    class_weights: bool = option(
        True, "Weigh rare labels up, so that each counts the same."
    )
    validation: float = option(
        0.1,
        "Share of the training rows that decides when to stop.",
        least=0.01,
        most=0.5,
        metavar="X",
    )
    epochs: int = option(
        15, "Passes over the training rows, at most.", least=1, metavar="N"
    )
    patience: int = option(
        3, "Epochs without a better validation loss to stop.", least=1, metavar="N"
    )
    batch_size: int = option(32, "Texts a step.", least=1, metavar="N")
    learning_rate: float = option(
        2e-3, "Of the optimiser Adam.", least=1e-7, most=1.0, metavar="X"
    )
    seed: int = option(
        0, "The same seed, the same model.", least=0, most=2**32 - 1, metavar="N"
    )


@dataclass(eq=False, repr=False)
class TextJob(TextOptions):
    """The options of `refrain train sentiment`: the file's and the classifier's."""

    text: str | None = option(
        None, "Column of texts. [default: that of the longest]", metavar="COLUMN"
    )
    label: str | None = option(
        None,
        "Column of labels. [default: the other one, or one named label, sentiment, "
        "class, category, target or rating]",
        metavar="COLUMN",
    )
    held_out: float = option(
        0.1,
        "Share of the rows that the model is judged by, and never sees.",
        least=0.01,
        most=0.9,
        metavar="X",
    )
