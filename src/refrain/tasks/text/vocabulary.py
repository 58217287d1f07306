"""Cuts texts into words or pieces of them, and numbers those.

The vocabulary is made from the training part alone and travels in the model file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import (
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from refrain.errors import DataError

PADDING, UNKNOWN = "[PAD]", "[UNK]"
# Words keep an apostrophe inside (don't); every other sign stands alone.
_WORD = Regex(r"\w+(?:['’]\w+)*|[^\w\s]")


@dataclass(frozen=True)
class Encoded:
    """Texts as numbers.

    Attributes:
        numbers: `(texts, longest)` int32, 0 behind the end of a text.
        lengths: numbers of each text, at least 1.
    """

    numbers: np.ndarray
    lengths: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Encoded:
        return Encoded(self.numbers[rows], self.lengths[rows])


class Vocabulary:
    """Known words, lower-cased, with their numbers: 0 is padding, 1 an unknown word.

    Args:
        tokenizer: made by `learn` or `of`.
        max_length: numbers read of a text.
    """

    def __init__(self, tokenizer: Tokenizer, max_length: int):
        self._tokenizer = tokenizer
        self.max_length = max_length

    @staticmethod
    def learn(
        texts: Sequence[str], kind: str, size: int, min_count: int, max_length: int
    ) -> Vocabulary:
        """The words of some texts, the most frequent first.

        Args:
            texts: of the training part alone.
            kind: "words", or "bpe" for pieces of words (byte-pair encoding).
            size: words at most, padding and unknown included.
            min_count: how often a word occurs at least.
            max_length: numbers read of a text.

        Raises:
            DataError: no word occurs often enough.
        """
        settings = {
            "vocab_size": size,
            "min_frequency": min_count,
            "special_tokens": [PADDING, UNKNOWN],
            "show_progress": False,
        }
        words = pre_tokenizers.Split(_WORD, "removed", invert=True)
        if kind == "words":
            tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
            tokenizer.pre_tokenizer = words
            trainer = trainers.WordLevelTrainer(**settings)
        else:
            # Bytes have an order; marks at the ends of words would be numbered in
            # another one by each run.
            tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
            tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
                [words, pre_tokenizers.ByteLevel(False, use_regex=False)]
            )
            alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
            trainer = trainers.BpeTrainer(**settings, initial_alphabet=alphabet)
        tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Lowercase()]
        )
        tokenizer.train_from_iterator(texts, trainer)
        if tokenizer.get_vocab_size() <= 2:
            raise DataError(
                f"no word occurs {min_count} times in the training texts; lower "
                "min_count, or give more texts"
            )
        return Vocabulary(tokenizer, max_length)

    @staticmethod
    def of(text: str, max_length: int) -> Vocabulary:
        """The vocabulary that `str` gave the text of."""
        return Vocabulary(Tokenizer.from_str(text), max_length)

    def __str__(self) -> str:
        return self._tokenizer.to_str()

    def __len__(self) -> int:
        return self._tokenizer.get_vocab_size()

    def words(self) -> list[str]:
        """All words in the order of their numbers."""
        numbers = self._tokenizer.get_vocab()
        return sorted(numbers, key=numbers.__getitem__)

    def encode(self, texts: Sequence[str]) -> Encoded:
        """Texts as numbers; one without any word is one unknown word."""
        found = [
            coded.ids[: self.max_length] or [1]
            for coded in self._tokenizer.encode_batch(list(texts))
        ]
        lengths = np.array([len(numbers) for numbers in found])
        numbers = np.zeros((len(found), lengths.max(initial=1)), np.int32)
        for row, known in zip(numbers, found, strict=True):
            row[: len(known)] = known
        return Encoded(numbers, lengths)

    def cut(self, text: str) -> list[str]:
        """The words of a text as they stand in it, one for each of its numbers."""
        offsets = self._tokenizer.encode(text).offsets[: self.max_length]
        return [text[start:end] for start, end in offsets]
