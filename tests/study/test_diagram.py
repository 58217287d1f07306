"""Diagrams as files."""

import re
import sys
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest

from refrain import cells
from refrain.errors import RefrainError
from refrain.study.diagram import write_diagram

LSTM = cells.lstm.diagram()


def pixels(diagram, folder):
    write_diagram(diagram, folder / "cell.png")
    return matplotlib.image.imread(folder / "cell.png")[..., :3]


def test_svg_is_written_as_it_is(tmp_path):
    write_diagram(LSTM, str(tmp_path / "cell.svg"))
    assert (tmp_path / "cell.svg").read_text("utf-8") == LSTM
    assert [file.name for file in tmp_path.iterdir()] == ["cell.svg"]


@pytest.mark.parametrize("cell", cells.ALL, ids=lambda c: c.name)
def test_png_shows_every_text(cell, tmp_path):
    """Each text leaves dark pixels where it stands, which are not there without it."""
    diagram = cell.diagram()
    root = ElementTree.fromstring(diagram)  # noqa: S314 (written by us)
    shown = pixels(diagram, tmp_path)
    bare = pixels(re.sub(r"<text.*?</text>", "", diagram), tmp_path)
    assert shown.shape[:2] == tuple(
        pytest.approx(2 * float(root.get(side)), abs=1) for side in ("height", "width")
    )
    differs = np.abs(shown - bare).max(-1) > 0.2
    edges = shown[[0, 1, -2, -1]], shown[:, [0, 1, -2, -1]].swapaxes(0, 1)
    assert min(edge.min() for edge in edges) > 0.99, "a text is cut off"
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    for text in texts:
        x, y = (round(2 * float(text.get(side))) for side in ("x", "y"))
        assert differs[y - 28 : y + 8, max(0, x - 24) : x + 24].any(), text.text


def test_png_has_the_colours_of_gates_and_paper(tmp_path):
    found = pixels(LSTM, tmp_path)
    for colour in ("#f8dd86", "#f4b3bd", "#ffffff"):
        rgb = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        assert np.isclose(found, rgb, atol=0.01).all(-1).sum() > 500, colour


@pytest.mark.parametrize("name", ["cell.gif", "cell", "cell.svg.txt"])
def test_another_suffix_is_refused(name, tmp_path):
    with pytest.raises(RefrainError, match=rf"{name}: expected a name that ends in"):
        write_diagram(LSTM, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(RefrainError, match=r"cannot write .*No such file"):
        write_diagram(LSTM, tmp_path / "none" / "cell.svg")


def test_png_without_the_renderer_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)  # as if it were not installed
    with pytest.raises(RefrainError, match=r"needs resvg_py.*'refrain\[report\]'"):
        write_diagram(LSTM, tmp_path / "cell.png")
    write_diagram(LSTM, tmp_path / "cell.svg")
