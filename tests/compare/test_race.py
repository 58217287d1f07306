"""Races in processes: the same figures, runs kept, faults told in their row."""

import json
from dataclasses import replace

import pytest

from refrain.compare.kept import Kept, run_of
from refrain.compare.processes import Worker, WorkerError, fitting_jobs
from refrain.compare.race import Race
from refrain.compare.recipe import Recipe
from refrain.errors import RefrainError
from refrain.files import plain
from refrain.study.training import Budget
from tests.compare.comparisons import run

# Keras's own, when it reads a variable on JAX with NumPy 2.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")

CELLS = '''
import os
import numpy as np
from refrain import cell, vector
from refrain.functions import log, tanh

def last_day(*_, **__):
    os._exit(7)

@cell(state="h")
def nothing(x, h_prev, W, U, b):
    """Source: none, 2026."""
    return log(-1 - (x @ W + h_prev @ U + b) ** 2)

@cell(state="h", v=vector("units", initializer=last_day))
def fatal(x, h_prev, W, v):
    """Source: none, 2026."""
    return tanh(x @ W + v * h_prev)
'''
OPTIONS = {"max_windows": 60, "horizon": 3, "window": 12}


def recipe(*cells, seeds=1, **budget):
    return Recipe("forecast", OPTIONS, cells, seeds, 4, Budget(epochs=2, **budget))


def race(recipe, folder):
    """All moments of a race, and what it found."""
    seen = []
    made = Race(recipe, folder, seen.append)
    made.go(1)
    return seen, made.comparison("refrain compare")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("race")


@pytest.fixture(scope="module")
def mixed(folder):
    file = folder / "cells.py"
    file.write_text(CELLS)
    own = (f"{file}:nothing", f"{file}:fatal")
    return race(recipe("gru", *own, "rnn"), folder)


def test_a_failed_cell_is_told_in_its_row_and_costs_no_other(mixed):
    entries = {e.key: e for e in mixed[1].entries}
    assert len(entries["gru"].runs) == len(entries["rnn"].runs) == 1
    assert not entries["gru"].faults
    assert not entries["rnn"].faults
    assert [len(entries[key].runs) for key in ("nothing", "fatal")] == [0, 0]
    assert entries["nothing"].faults[0].startswith("seed 0: training diverged: no")
    assert entries["fatal"].faults == tuple(
        f"{task}: its process ended with code 7" for task in ("seed 0", "costs")
    )


def test_finished_runs_are_not_run_again(mixed, folder):
    seen, found = race(recipe("gru", "rnn", seeds=2), folder)
    states = {(m.key, m.seed): m.state for m in seen}
    kept = [task for task, state in states.items() if state == "kept"]
    assert set(kept) == {(k, s) for k in ("gru", "rnn") for s in (0, None)}
    assert states["gru", 1] == "done"
    before = {e.key: e for e in mixed[1].entries}
    for entry in found.networks:
        assert entry.runs[:1] == before[entry.key].runs
        assert entry.network == before[entry.key].network


def test_a_race_that_is_stopped_goes_on_to_the_same_end(mixed, tmp_path):
    def stop(moment):
        if moment.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Race(recipe("rnn"), tmp_path, stop).go(1)
    (checkpoint,) = (tmp_path / "runs").glob("rnn-*.checkpoint")
    # The worker may have been killed while it wrote the next one.
    half = checkpoint.with_name(f".{checkpoint.stem}-abc.checkpoint")
    half.write_bytes(b"PK")
    _, found = race(recipe("rnn"), tmp_path)
    (whole,) = (e for e in mixed[1].entries if e.key == "rnn")
    (again,) = found.networks
    assert again.runs[0].scores == whole.runs[0].scores
    assert again.runs[0].training.loss == whole.runs[0].training.loss
    assert not list((tmp_path / "runs").glob("*.checkpoint"))


def test_processes_beside_each_other_find_the_same(mixed, tmp_path):
    seen = []
    made = Race(recipe("gru", "rnn"), tmp_path, seen.append)
    made.go(2, costs=False)
    assert {(m.key, m.state) for m in seen[:2]} == {
        ("gru", "running"),
        ("rnn", "running"),
    }
    alone = {e.key: e for e in mixed[1].networks}
    for entry in made.comparison().networks:
        expected = alone[entry.key].runs[0].scores
        assert entry.runs[0].scores == pytest.approx(expected, rel=1e-4)
        assert entry.network is None


@pytest.mark.parametrize(
    "changed",
    [
        recipe("rnn", learning_rate=0.01),
        replace(recipe("rnn"), units=5),
        replace(recipe("rnn"), options={**OPTIONS, "horizon": 4}),
        replace(recipe("rnn"), options={**OPTIONS, "max_windows": 61}),
    ],
)
@pytest.mark.usefixtures("mixed")
def test_a_run_of_other_settings_is_not_taken(folder, changed):
    kept = Kept(folder)
    same, other = (Race(r, folder)._digests["rnn"] for r in (recipe("rnn"), changed))
    assert kept.find("rnn", "seed-0", same)
    assert kept.find("rnn", "seed-0", other) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"settings": "s"'])
def test_a_damaged_file_is_as_good_as_none(tmp_path, text):
    kept = Kept(tmp_path)
    found = run(shown=[[1.5]], MASE=1.0)
    kept.keep("gru", "seed-0", "s", plain(found))
    assert run_of(kept.find("gru", "seed-0", "s")) == found
    assert kept.find("gru", "seed-0", "other") is None
    kept.path("gru", "seed-0").write_text(text)
    assert kept.find("gru", "seed-0", "s") is None


@pytest.mark.usefixtures("mixed")
def test_a_record_without_its_parts_is_run_again(folder):
    made = Race(recipe("rnn"), folder)
    file = made._kept.path("rnn", "seed-0")
    whole = file.read_text()
    record = json.loads(whole)
    del record["training"]
    file.write_text(json.dumps(record))
    assert not made._was_kept("rnn", 0)
    file.write_text(whole)
    assert made._was_kept("rnn", 0)


def test_a_race_that_nobody_finishes_is_an_error(folder):
    made = Race(recipe("rnn"), folder)
    made._found = {("rnn", 0): "training diverged", ("rnn", None): "no kernel"}
    with pytest.raises(RefrainError, match="no network could be trained; seed 0: tr"):
        made.comparison()


def test_a_process_that_cannot_begin_says_why():
    worker = Worker(replace(recipe("rnn"), options={"file": "gone.csv"}), 1, 0)
    with pytest.raises(WorkerError, match=r"ended with code 1: .*gone.csv: no such"):
        worker.ask({"key": "rnn", "seed": 0}, print)
    worker.close()


def test_there_are_no_more_processes_than_tasks():
    assert fitting_jobs(1) == fitting_jobs(0) == 1
    assert fitting_jobs(100) >= 1


def test_a_recipe_crosses_to_another_process_whole():
    made = recipe("gru", "rnn", seeds=2, seed=5)
    assert Recipe.from_json(made.to_json()) == made
