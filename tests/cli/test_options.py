from dataclasses import dataclass, fields

import pytest
import typer
from typer.testing import CliRunner

from refrain.cli.options import with_options
from refrain.cli.train import train
from refrain.cli.training import COMMAND
from refrain.tasks.forecast.options import ForecastOptions
from refrain.tasks.job.options import option
from refrain.tasks.text.options import TextJob


@dataclass
class Bread:
    flour: str = option("rye", "Which.", metavar="NAME")
    baking_time: float = option(2.0, "In hours.", least=0, most=5)
    loaves: int | None = option(None, "How many.", least=1)
    seeds: bool = option(False, "With seeds.")


@pytest.fixture
def bake():
    app = typer.Typer(rich_markup_mode="markdown")
    seen = []

    @app.command()
    @with_options(Bread)
    def bake(name: str, **options):
        seen.append((name, options))

    def run(*arguments):
        return CliRunner().invoke(app, arguments, env={"COLUMNS": "120"}), seen

    return run


def test_options_arrive_under_their_names_and_none_where_not_given(bake):
    _, seen = bake("a", "--baking-time", "1.5", "--seeds")
    assert seen == [
        ("a", {"flour": None, "baking_time": 1.5, "loaves": None, "seeds": True})
    ]


def test_a_value_out_of_range_is_refused(bake):
    result, seen = bake("a", "--loaves", "0")
    assert result.exit_code == 2
    assert not seen


def test_help_tells_defaults(bake):
    result, _ = bake("--help")
    text = " ".join(result.output.split())
    for part in ("--baking-time", "In hours. [default: 2.0]", "--no-seeds", "NAME"):
        assert part in text


@pytest.mark.parametrize("name", ["forecast", "sentiment"])
def test_the_options_that_no_file_has_are_those_of_the_command_alone(name):
    command = typer.main.get_command(train).commands[name]
    job = {"forecast": ForecastOptions, "sentiment": TextJob}[name]
    alone = {p.name for p in command.params} - {f.name for f in fields(job)}
    assert alone == {"file", *COMMAND}
