"""The report: everything is in it, and a browser shows it without complaint."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from refrain.compare.report import report, write_report
from refrain.report.page import page_html
from refrain.study.candidates import find_candidates
from tests.compare.comparisons import classes, comparison, entry, memory

CANDIDATES = find_candidates("lstm,bilstm,rnn")


def forecasts():
    found = comparison(("lstm", "LSTM"), ("bilstm", "BiLSTM"), ("rnn", "simple RNN"))
    base, *networks = found.entries
    kinds = (memory(None, gates=("i", "f", "o")), memory(3), memory(1, gates=("h",)))
    networks = [
        replace(e, runs=(replace(e.runs[0], memory=kind),))
        for e, kind in zip(networks, kinds, strict=True)
    ]
    return replace(found, entries=(base, *networks))


@pytest.fixture(scope="module")
def html():
    return page_html(report(forecasts(), CANDIDATES))


def labels(html):
    return re.findall(r'role="img" aria-label="(.*?)"', html)


def test_the_verdict_comes_first(html):
    titles = re.findall(r"<h2>(.*?)</h2>", html)
    assert titles == [
        "Verdict",
        "The textbooks&#39; table, measured",
        "Figures",
        "Scores and learning",
        "Forecasts",
        "Memory",
        "Gates at work",
        "The cells",
        "How it was measured",
    ]
    assert "LSTM does best: MASE 0.500." in html


def test_every_plot_is_there(html):
    found = labels(html)
    for name in ("LSTM", "BiLSTM", "simple RNN"):
        assert f"Forecasts of {name} beside the truth" in found
    for start in ("MASE of", "Losses by", "What is left", "The loss&#39;s gradient"):
        assert sum(label.startswith(start) for label in found) == 1
    assert "Values of i, f, o of LSTM" in found
    # Two networks have one cell.
    assert [label for label in found if label.startswith("One step of")] == [
        "One step of lstm",
        "One step of simple_rnn",
    ]
    assert html.count("<svg") == len(found) == 3 + 4 + 3 + 2


def test_command_settings_and_versions_are_there(html):
    for text in (
        "refrain compare größe.csv",
        "no season",
        "<dt>python</dt>",
        "horizon",
    ):
        assert text in html


def test_what_failed_is_told_beside_the_verdict():
    failed = entry("gru", "GRU", [], faults=("seed 0: training diverged",))
    found = replace(forecasts(), entries=(*forecasts().entries, failed))
    html = page_html(report(found, CANDIDATES))
    assert "GRU failed: seed 0: training diverged" in html


def test_confusions_stand_in_for_forecasts():
    html = page_html(report(classes(("lstm", "LSTM")), CANDIDATES))
    assert "Confusions of LSTM" in labels(html)
    assert "Gates at work" not in html


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
@pytest.mark.slow
def test_a_browser_shows_the_report_without_complaint(tmp_path):
    """All sections: also the curve by length that a probe has."""
    facts = {"solved_below": 0.6, "seeds": [0]}
    short, long = (replace(forecasts(), facts=facts | {"length": n}) for n in (10, 20))
    file = tmp_path / "report.html"
    write_report(replace(long, shorter=(short,)), CANDIDATES, file)
    command = [
        *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
        *("--enable-logging=stderr", "--v=0", "--dump-dom"),
        *(f"--user-data-dir={tmp_path / 'profile'}", file.as_uri()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr
    drawn = re.findall(r'role="img" aria-label="[^"]*"[^>]*>\s*<svg', done.stdout)
    assert len(drawn) == 13
    assert done.stdout.count("<image") == 5 + 3  # heat maps and their scales
