import numpy as np
import pytest

from refrain.errors import DataError
from refrain.tasks.text.vectors import read_vectors

WORDS = ["[PAD]", "[UNK]", "good", "bad", "rare"]


@pytest.mark.parametrize("head", ["", "3 2\n"], ids=["GloVe", "word2vec"])
def test_words_get_their_vectors(tmp_path, head):
    file = tmp_path / "vectors.txt"
    file.write_text(f"{head}good 1 2.5\nother 0 0\nbad -1 3\ntwo words 7 7\n")
    found = read_vectors(file, WORDS, seed=1)
    assert found.shape == (5, 2)
    assert found.dtype == np.float32
    assert found[[0, 2, 3]].tolist() == [[0, 0], [1, 2.5], [-1, 3]]
    assert np.isfinite(found).all()
    assert (read_vectors(file, WORDS, seed=1) == found).all()
    assert (read_vectors(file, WORDS, seed=2)[4] != found[4]).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"good 1 2\nbad 1\n", "line 2: expected a word and its numbers"),
        (b"good 1 x\n", "line 1: expected a word and its numbers"),
        (b"good 1 nan\n", "line 1: expected a word and its numbers"),
        (b"other 1 2\n", "holds no word of the training texts"),
        (b"", "holds no word of the training texts"),
        (b"g\xff 1 2\n", "expected UTF-8 text"),
        (b"one\n", "line 1: expected a word and its numbers"),
    ],
)
def test_an_unusable_file_is_explained(tmp_path, content, message):
    file = tmp_path / "vectors.txt"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_vectors(file, WORDS, seed=0)
    with pytest.raises(DataError, match=r"cannot read .*none"):
        read_vectors(tmp_path / "none", WORDS, seed=0)
