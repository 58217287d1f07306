"""Every page of the guide is a notebook that runs, and the notebook is that page."""

import importlib.util

import pytest

from tests.docs.pages import ROOT

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

_SPEC = importlib.util.spec_from_file_location("notebooks", ROOT / "docs/notebooks.py")
assert _SPEC is not None
assert _SPEC.loader is not None
notebooks = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(notebooks)


def sources(notebook):
    return [(cell.cell_type, cell.source) for cell in notebook.cells]


@pytest.mark.parametrize("page", notebooks.PAGES, ids=lambda page: page.stem)
def test_a_notebook_is_its_page(page):
    kept = nbformat.read(notebooks.file_of(page), as_version=4)
    again = f"run python docs/notebooks.py {page.stem}"
    assert sources(kept) == sources(notebooks.notebook(page)), again
    shown = [out.output_type for c in kept.cells if "outputs" in c for out in c.outputs]
    assert "display_data" in shown
    assert "error" not in shown


def test_there_is_no_other_notebook():
    files = {notebooks.file_of(page) for page in notebooks.PAGES}
    assert set(notebooks.FOLDER.glob("*.ipynb")) == files


@pytest.mark.slow
@pytest.mark.parametrize("page", notebooks.PAGES, ids=lambda page: page.stem)
def test_a_page_runs_as_a_notebook(page, tmp_path):
    """Its own assertions hold what it claims."""
    notebooks.run(notebooks.notebook(page), tmp_path)


def test_a_claim_that_does_not_hold_is_an_error(tmp_path):
    page = tmp_path / "0-wrong.md"
    page.write_text("# A page\n\n```python\nassert 1 > 2\n```\n")
    made = notebooks.notebook(page)
    assert [kind for kind, _ in sources(made)] == ["markdown", "code"]
    with pytest.raises(Exception, match="assert 1 > 2"):
        notebooks.run(made, tmp_path)
