"""Reports: whole files that need nothing, safe text, plots in the page's colours."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from refrain.report import figures
from refrain.report.page import (
    Code,
    Facts,
    Grid,
    Page,
    Picture,
    Prose,
    Section,
    Table,
    page_html,
    write_page,
)

HOSTILE = '<script>alert("x")</script> & "more"'


def plot(name: str) -> str:
    figure = figures.new_figure()
    axes = figure.subplots()
    axes.plot([1, 2, 3], color=figures.SERIES[0], marker="o", label=HOSTILE)
    figures.style(axes, name, "step", "value")
    figures.legend(axes)
    return figures.figure_svg(figure, name)


def page(text: str = "plain") -> Page:
    parts = (
        Prose([text], "good"),
        Facts({text: text}),
        Table([text, "MAE"], [[text, "0.1"], ["b", "0.2"]], text, best={(0, 1)}),
        Grid([Picture(plot("first"), text, text), Code(text, text)]),
        Picture(plot("second"), text),
    )
    return Page(text, text, [Section(text, parts)] * 4)


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.opened: list[tuple[str, dict]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.opened.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def read(html: str) -> Tags:
    tags = Tags()
    tags.feed(html)
    return tags


def test_text_stays_text():
    tags = read(page_html(page(HOSTILE)))
    assert not [tag for tag, _ in tags.opened if tag == "script"]
    assert sum(HOSTILE in text for text in tags.text) >= 4 * 6
    assert page_html(page()).count("plain") > 4 * 6


def test_a_page_loads_nothing():
    html = page_html(page())
    assert "default-src 'none'" in html
    loading = [
        (tag, attributes)
        for tag, attributes in read(html).opened
        if tag in ("link", "img", "script", "iframe", "object", "embed")
        or not attributes.get("href", "#").startswith("#")
        or "src" in attributes
    ]
    assert not loading
    assert "url(http" not in html


def test_the_best_figure_alone_is_marked():
    cells = [a["class"] for tag, a in read(page_html(page())).opened if tag == "td"]
    assert ["best" in c for c in cells] == [False, True, False, False] * 4


def test_plots_take_the_colours_of_the_page():
    svg = plot("first")
    assert "var(--series-1)" in svg
    assert "var(--ink)" in svg
    written = set(re.findall(r"#[0-9a-f]{6}\b", svg))
    assert not {c.lower() for c in (figures.INK, *figures.SERIES)} & written
    variables = set(re.findall(r"var\((--[a-z0-9-]+)\)", svg))
    styles = page_html(page()).split("</style>")[0]
    assert all(styles.count(f"{name}:") == 2 for name in variables)


def test_two_plots_share_no_mark():
    first, second = (set(re.findall(r' id="(.*?)"', plot(n))) for n in ("a", "b"))
    assert first
    assert not first & second


def test_a_plot_is_the_same_each_time():
    assert plot("first") == plot("first")


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
@pytest.mark.slow
def test_a_browser_shows_a_page_without_complaint(tmp_path):
    file = tmp_path / "page.html"
    write_page(page(HOSTILE), file)
    command = [
        *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
        *("--enable-logging=stderr", "--v=0", "--dump-dom"),
        *(f"--user-data-dir={tmp_path / 'profile'}", file.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr
    assert sum(tag == "svg" for tag, _ in read(done.stdout).opened) == 8
