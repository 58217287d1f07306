"""A process that trains and measures: `python -m refrain.compare.worker`.

Reads a recipe and then tasks from standard input, one JSON value a line, and answers
each on standard output: how far it is, what it found, or why it found nothing. Ends
when its input does.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from refrain.compare.contest import Contest
from refrain.compare.recipe import Recipe
from refrain.errors import RefrainError, innermost
from refrain.files import plain

Say = Callable[[dict[str, Any]], None]


def main() -> None:
    """Answer tasks until there are none."""
    # Whatever libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    recipe = Recipe.from_json(sys.stdin.readline())
    contest = recipe.contest()
    candidates = {c.key: c for c in recipe.candidates()}
    for line in sys.stdin:
        task = json.loads(line)
        try:
            found = _obey(recipe, contest, candidates[task["key"]], task, say)
            say({"found": plain(found)})
        except Exception as fault:  # one candidate's fault is not the others'
            say({"fault": _reason(fault)})


def _obey(recipe: Recipe, contest: Contest, candidate, task: dict, say: Say) -> Any:
    """A run from a seed, or the costs of a network where no seed is given."""
    # After the recipe is read, whose mistakes take no Keras to find.
    from refrain.compare.measure import measure
    from refrain.compare.run import run

    if task["seed"] is None:
        return measure(contest, candidate, recipe.units, recipe.budget.batch_size)
    budget = dataclasses.replace(recipe.budget, seed=task["seed"])

    def report(progress) -> None:
        known = math.isfinite(progress.best)
        say(
            {
                "epoch": progress.epoch,
                "loss": progress.validation_loss if known else None,
                "best": progress.best if known else None,
            }
        )

    checkpoint = Path(task["checkpoint"])
    deep = task["seed"] == recipe.budget.seed
    return run(contest, candidate, recipe.units, budget, report, checkpoint, deep)


def _reason(fault: Exception) -> str:
    """Why, in a line."""
    inner = innermost(fault)
    first = next((line for line in str(inner).splitlines() if line.strip()), "")
    if isinstance(inner, RefrainError):
        return first
    return f"{type(inner).__name__}: {first}".rstrip(": ")


if __name__ == "__main__":
    main()
