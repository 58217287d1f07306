"""Makes a notebook of every page of the guide: its text, its code, and what it shows.

The pages in `docs/guide` are the source; edit those, then run

    python docs/notebooks.py
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs" / "guide").glob("*.md"))
FOLDER = ROOT / "examples" / "guide"
TIMEOUT_S = 300

_CODE = re.compile(r"^```python\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def notebook(page: Path) -> nbformat.NotebookNode:
    """A page as a notebook that has not run: its blocks of Python are the code."""
    cells = []
    for k, part in enumerate(_CODE.split(page.read_text())):
        make = nbformat.v4.new_code_cell if k % 2 else nbformat.v4.new_markdown_cell
        if part.strip():
            text = part.strip("\n")
            if not k % 2:  # pages lead to pages, notebooks to notebooks
                text = re.sub(r"\]\((\d[^)/]*)\.md\)", r"](\1.ipynb)", text)
            cells.append(make(text, id=f"{page.stem[0]}-{k}"))
    made = nbformat.v4.new_notebook(cells=cells)
    made.metadata["kernelspec"] = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    return made


def file_of(page: Path) -> Path:
    """Where the notebook of a page lies."""
    return FOLDER / f"{page.stem}.ipynb"


def run(made: nbformat.NotebookNode, folder: Path) -> None:
    """Run a notebook; its cells then hold what they show."""
    NotebookClient(
        made, timeout=TIMEOUT_S, resources={"metadata": {"path": str(folder)}}
    ).execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # when it ran: another time each time
        if cell.cell_type == "code":  # libraries talk of the machine there
            cell.outputs = [o for o in cell.outputs if o.get("name") != "stderr"]


def main() -> None:
    """Make the notebooks that the arguments name: `2-gradients`; without any, all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[1:]
    for page in PAGES:
        if not wanted or page.stem in wanted:
            made = notebook(page)
            run(made, FOLDER)
            nbformat.write(made, file_of(page))
            print(file_of(page).relative_to(ROOT))


if __name__ == "__main__":
    main()
