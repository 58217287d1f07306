import json
import math
import os
import re

import matplotlib.image
import numpy as np
import pytest

from tests.tasks.series import write_csv

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

QUICK = ("--epochs", 2, "--units", 4, "--seed", 3, "--seeds", 1, "--jobs", 1)


OWN = """
from refrain import cell
from refrain.functions import tanh

@cell(state="h")
def leaky(x, h_prev, W, U, b):
    return 0.5 * h_prev + 0.5 * tanh(x @ W + h_prev @ U + b)
"""


def monthly(folder, points=120, gaps=()):
    """Monthly values with a season and noise in a file; no value in rows `gaps`."""
    months = np.datetime64("2011-01") + np.arange(points)
    noise = np.random.default_rng(7).normal(size=points)
    values = 50 + 9 * np.sin(2 * np.pi * np.arange(points) / 12) + noise
    rows = [
        f"{month},{'' if k in gaps else round(value, 3)},x"
        for k, (month, value) in enumerate(zip(months, values, strict=True))
    ]
    return write_csv(folder, "\n".join(["month,load (kW),place", *rows]))


@pytest.fixture(scope="module")
def twice(tmp_path_factory, start):
    """The same command in two processes: exit code, texts, folder of each."""
    folder = tmp_path_factory.mktemp("compare")
    file = monthly(folder)
    running = [
        start("compare", file, "--cells", "rnn,gru", "--output", folder / name, *QUICK)
        for name in ("one", "two")
    ]
    texts = [process.communicate(timeout=180) for process in running]
    return [
        (process.returncode, out, err, folder / name)
        for process, (out, err), name in zip(
            running, texts, ("one", "two"), strict=True
        )
    ]


@pytest.fixture(scope="module")
def record(twice):
    return json.loads((twice[0][-1] / "comparison.json").read_text(encoding="utf-8"))


PARTS = ("cost", "seed-3")


def rows(out):
    """Lines of both tables: figures by name."""
    names = ("naive", "seasonal naive", "simple RNN", "LSTM", "GRU", "BiLSTM")
    found: dict[str, list[str]] = {}
    for line in out.splitlines():
        for name in names:
            if line.startswith(f" {name}  "):
                found.setdefault(name, []).extend(line[len(name) + 1 :].split())
    return found


def test_the_command_succeeds_and_prints_a_table(twice):
    code, out, err, _ = twice[0]
    assert code == 0, err
    table = rows(out)
    assert list(table) == ["naive", "seasonal naive", "simple RNN", "GRU"]
    assert all(float(figure) > 0 for figure in table["GRU"][:4])
    assert "…" not in out
    assert "Traceback" not in err


def test_what_is_compared_is_said_first(twice):
    head = twice[0][1].splitlines()
    assert head[0] == "load (kW), table.csv"
    assert "120 points, one every month, 2011-01 to 2020-12" in head[1]
    assert "season 12: a cycle of the calendar" in head[4]


def test_progress_goes_to_standard_error(twice):
    _, out, err, _ = twice[0]
    assert "1 trained" in err
    assert "epoch" not in out.split("network ")[0]


def test_the_picture_is_one(twice):
    folder = twice[0][-1]
    files = ["comparison.html", "comparison.json", "comparison.png", "runs"]
    assert sorted(os.listdir(folder)) == files
    runs = [f"{cell}-{part}.json" for cell in ("gru", "rnn") for part in PARTS]
    assert sorted(os.listdir(folder / "runs")) == runs
    data = (folder / "comparison.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    pixels = matplotlib.image.imread(folder / "comparison.png")
    assert min(pixels.shape[:2]) > 800
    assert pixels.std() > 0.02


def test_json_holds_all_figures_of_the_table_and_more(twice, record):
    table = rows(twice[0][1])
    for entry in record["entries"]:
        shown = table[entry["name"]]
        (run,) = entry["runs"] or [{"scores": entry["fixed"]}]
        for metric, figure in zip(record["metrics"], shown, strict=False):
            score = run["scores"][metric["name"]]
            assert float(figure) == pytest.approx(score, rel=1e-3)
        network = entry["network"]
        if network:
            assert shown[4] == "2"
            assert f"{network['parameters']:,}" in shown[5:]
            assert len(run["training"]["validation_loss"]) == 2
            assert network["path"]
    assert record["facts"]["budget"]["seed"] == 3
    assert record["facts"]["seeds"] == [3]
    assert record["facts"]["split"]["test"]["windows"] > 0
    assert record["command"].startswith("refrain compare /")


def test_json_holds_the_versions_that_figures_depend_on(record):
    versions = record["versions"]
    packages = {"python", "refrain", "keras", "backend", "llvmlite", "numpy", "pandas"}
    assert packages <= set(versions)
    assert versions["backend"] in versions
    assert "processor" in versions


def test_the_same_seed_gives_the_same_errors_in_another_process(twice, record):
    code, _, err, folder = twice[1]
    assert code == 0, err
    other = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    for one, two in zip(record["entries"], other["entries"], strict=True):
        assert one["fixed"] == two["fixed"]
        for run, again in zip(one["runs"], two["runs"], strict=True):
            assert run["scores"] == again["scores"]
            assert run["shown"] == again["shown"]
            for name in ("loss", "validation_loss"):
                assert run["training"][name] == again["training"][name]
    assert record["exhibit"] == other["exhibit"]


def test_gaps_are_told_and_written_down(refrain, tmp_path):
    file = monthly(tmp_path, gaps=(0, 30, 31, 70))
    ended = refrain("compare", file, "-o", tmp_path, "--cells", "rnn", *QUICK)
    assert ended.code == 0
    notes = [
        "1 missing value at the ends cut off",
        "3 missing values (2.5 %) interpolated; errors leave them out",
    ]
    assert all(f"  {note}\n" in ended.out for note in notes)
    text = (tmp_path / "comparison.json").read_text(encoding="utf-8")
    facts = json.loads(text)["facts"]
    assert (facts["points"], facts["missing"]) == (119, 3)
    assert facts["treatment"] == notes
    assert math.isfinite(facts["mase_scale"])


def test_a_cell_of_ones_own_races_beside_the_others(refrain, tmp_path):
    file = tmp_path / "my_cells.py"
    file.write_text(OWN)
    data = monthly(tmp_path)
    own = ("--cells", "rnn", "--cell", f"{file}:leaky")
    ended = refrain("compare", data, "-q", "-o", tmp_path, *own, *QUICK)
    assert ended.code == 0, ended.err
    text = (tmp_path / "comparison.json").read_text(encoding="utf-8")
    leaky = json.loads(text)["entries"][-1]
    assert leaky["name"] == "leaky"
    assert len(leaky["runs"]) == 1
    assert "native kernels from the equations of leaky" in leaky["network"]["path"]


def test_quiet_prints_the_table_alone_and_whole(refrain, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    file = monthly(tmp_path)
    ended = refrain("compare", file, "-q", "-o", tmp_path, "--cells", "rnn", *QUICK)
    assert ended.code == 0
    assert not ended.err
    lines = [line for line in ended.out.splitlines() if line.strip(" ─")]
    assert len(lines) == 6
    assert lines[0].split() == [
        "network",
        "MASE",
        *["MAE", "RMSE", "train", "s", "epochs"],
        "steps/s",
    ]
    assert lines[4].split()[-2:] == ["rate", "/s"]


def test_a_probe_at_several_lengths_shows_who_still_learns(refrain, tmp_path):
    probe = ("--probe", "digits", "--lengths", "8,4", "--cells", "gru")
    ended = refrain("compare", *probe, "-o", tmp_path, *QUICK)
    assert ended.code == 0, ended.err
    heads, _, _, _, (_, *shown), limits, *_ = (
        line.split() for line in ended.out.partition(" error rate at")[2].splitlines()
    )
    assert heads == ["length", "4", "8"]
    assert limits == ["solved", "below", "0.100", "0.100"]
    assert re.search(r"Learns over: .*not solved at length 4", ended.out)
    assert "GRU at 4" in ended.err
    text = (tmp_path / "comparison.json").read_text(encoding="utf-8")
    found = json.loads(text)
    (short,) = found["shorter"]
    assert [each["facts"]["length"] for each in (short, found)] == [4, 8]
    for figure, each in zip(shown, (short, found), strict=True):
        score = each["entries"][-1]["runs"][0]["scores"]["error rate"]
        assert float(figure) == pytest.approx(score, abs=1e-3)
    assert short["entries"][-1]["network"] is None
    html = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "error rate of every network by length" in html
    # What is finished is kept, at each length.
    again = refrain("compare", *probe, "-o", tmp_path, *QUICK)
    assert again.err.count("1 kept") >= 2
    assert "1 trained" not in again.err


NUMBERS = "\n".join(str(k % 7 + k / 50) for k in range(100))

MISTAKES = {
    "empty": ("", [], "is empty; expected a line of names"),
    "no rows": ("v\n", [], "expected rows below the column names"),
    "no names": (NUMBERS, [], "the first line holds numbers"),
    "no such column": (
        f"load\n{NUMBERS}",
        ["--target", "lode"],
        "--target: no column 'lode'; the columns are load; did you mean 'load'?",
    ),
    "no such time": (
        f"load\n{NUMBERS}",
        ["--time", "day"],
        "--time: no column 'day'",
    ),
    "words": (
        "place,load\n" + "a,low\nb,high\n" * 40,
        ["--target", "load"],
        "column 'load': expected numbers, received 'low' in data row 1",
    ),
    "no numeric column": ("a,b\nx,y\n", [], "no column is numeric"),
    "several columns": ("a,b\n1,2\n2,1\n", [], "choose one with --target COLUMN"),
    "too short": (
        "v\n1\n2\n3\n4\n",
        [],
        "'v' is too short: a window of 2 and a horizon of 1",
    ),
    "all missing": ("v\n" + "NA\n" * 50, [], "every value is missing"),
    "mostly missing": (
        "v\n1\n" + "NA\n" * 50 + "2\n",
        [],
        "50 of 52 values are missing; expected at least half",
    ),
    "constant": ("v\n" + "3.5\n" * 80, [], "'v' is constant: every value is 3.5"),
    "no cells": (f"v\n{NUMBERS}", ["--cell", "gone.py:mine"], "gone.py: no such file"),
    "unknown cell": (f"v\n{NUMBERS}", ["--cells", "lstn"], "unknown cell 'lstn'"),
    "long window": (f"v\n{NUMBERS}", ["--window", "90"], "lower --horizon or --window"),
    "long season": (f"v\n{NUMBERS}", ["--season", "90"], "lower --season"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_no_file(refused, tmp_path, mistake):
    text, options, message = MISTAKES[mistake]
    folder = tmp_path / "out"
    line = refused("compare", write_csv(tmp_path, text), "-o", folder, *options)
    assert message in line
    assert not folder.exists()


def test_a_file_that_is_not_there_is_named(refused, tmp_path):
    assert "none.csv: no such file" in refused("compare", tmp_path / "none.csv")
    assert "is a folder; expected a CSV file" in refused("compare", tmp_path)


def test_a_column_of_no_file_is_refused(refused):
    assert "choose columns of a FILE" in refused("compare", "--target", "v")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("t.csv", "--texts", "t.csv"),
            "one of a FILE to forecast, --texts and --probe",
        ),
        (("--label", "v"), "--text and --label choose columns of --texts"),
        (("--lengths", "4"), "--lengths are those of a --probe; none was given"),
        (("--probe", "adding", "--lengths", ""), "--lengths: expected whole numbers"),
        (("--probe", "adding", "--lengths", "4,x"), "--lengths: expected whole number"),
        (("--probe", "digits", "--lengths", "8,7"), "divides 64 pixels, received 7"),
        (("--texts", "gone.csv"), "gone.csv: no such file"),
    ],
)
def test_one_task_is_compared_on(refused, options, message):
    assert message in refused("compare", *options)


def test_a_folder_that_cannot_be_written_to_is_refused_before_training(
    refused, tmp_path
):
    file = monthly(tmp_path)
    line = refused("compare", file, "--output", file)
    assert f"cannot write to the folder {file}: it is a file" in line
    below = file / "below"
    assert "Not a directory" in refused("compare", file, "--output", below)
