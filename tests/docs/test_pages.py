"""Whatever a page asks a reader to run runs, and prints what the page says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import END, PAGES, ROOT, commands, promised_outputs, script

GUIDE = ROOT / "docs" / "guide"  # its pages run as notebooks, see test_guide.py
WITH_PYTHON = [p for p in PAGES if promised_outputs(p) and p.parent != GUIDE]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
# Keras reads its variables into NumPy in a way that NumPy no longer likes.
STRICT = ("-W", "error", "-W", "ignore:__array__ implementation:DeprecationWarning")


def name_of(file: Path) -> str:
    return str(file.relative_to(ROOT))


def run(command, folder: Path, **options) -> subprocess.CompletedProcess:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    settings = {"PATH": path, "COLUMNS": "80", "KERAS_BACKEND": "jax"}
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **settings},
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


def without_lines(text: str) -> str:
    """Text without line numbers and without the spaces that end a line."""
    text = re.sub(r"(\w+\.py):\d+", r"\1:…", text)
    return "\n".join(line.rstrip() for line in text.strip("\n").splitlines())


def run_script(file: Path) -> str:
    command = [sys.executable, *STRICT, file.name]
    done = run(command, file.parent, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_python_of_a_page_runs_and_prints_what_it_shows(page, tmp_path):
    file = tmp_path / "example.py"
    file.write_text(script(page))
    *printed, _ = run_script(file).split(END)
    for found, promised in zip(printed, promised_outputs(page), strict=True):
        if promised is not None:
            assert without_lines(found) == without_lines(promised)


@pytest.mark.parametrize(
    ("page", "command", "output"),
    [(page, *found) for page in PAGES for found in commands(page)],
    ids=lambda value: name_of(value) if isinstance(value, Path) else str(value)[:30],
)
def test_commands_of_a_page_answer_as_it_shows(page, command, output, tmp_path):
    done = run(shlex.split(command), tmp_path, stderr=subprocess.STDOUT)
    if output:
        assert without_lines(done.stdout) == without_lines(output), page
    else:
        assert done.returncode == 0, f"{page}: {done.stdout}"


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_example_runs(example, tmp_path):
    file = tmp_path / example.name
    file.write_text(example.read_text())
    assert run_script(file)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    for link in links:
        if "://" not in link:
            assert (page.parent / link).exists(), f"{page.name}: no {link}"
