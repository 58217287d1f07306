import re
import signal
import subprocess
import sys

import pytest

import refrain as package
from tests.tasks.series import write_csv

COMMANDS = ("compare", "explain", "cache")


def test_help_names_every_command(refrain):
    ended = refrain("--help")
    assert ended.code == 0
    for command in COMMANDS:
        assert f" {command} " in ended.out
    assert not ended.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(refrain, command):
    ended = refrain(command, "-h")
    assert ended.code == 0
    assert f"Usage: refrain {command}" in ended.out


def test_no_arguments_show_the_help(refrain):
    assert refrain() == refrain("--help")


def test_the_version_is_that_of_the_package(refrain):
    ended = refrain("--version")
    assert (ended.code, ended.out) == (0, f"refrain {package.__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compere"], "No such command 'compere'.*; see refrain --help"),
        (["--seed", "3"], "No such option: --seed; see refrain --help"),
        (["compare", "--sed", "3"], r"No such option: --sed .*; see refrain compare"),
        (["compare", "--units", "many"], "'--units': .* integer"),
        (["compare", "--units", "0"], "'--units': .* 1;"),
        (["compare", "--seed", "-1"], "'--seed': "),
        (["compare", "--seed"], "'--seed' requires an argument"),
        (["compare", "a.csv", "b.csv"], r"unexpected extra argument.*b\.csv"),
        (["explain"], "Missing argument 'MODEL'"),
        (["cache", "--clean"], "No such option: --clean"),
    ],
)
def test_arguments_that_mean_nothing_are_refused_in_one_line(
    refused, arguments, message
):
    assert re.search(message, refused(*arguments))


def in_python(before, *arguments):
    """Run the command in a process of its own, after some lines of Python."""
    code = (
        f"import sys\n{before}\nsys.argv = {['refrain', *arguments]}\n"
        "from refrain.cli.main import run\n"
        "try:\n    run()\nfinally:\n    print(*sys.modules)"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_help_is_shown_without_importing_keras():
    done = in_python("", "--help")
    assert done.returncode == 0
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "refrain.cli.compare" in loaded
    assert not loaded & {"keras", "jax", "llvmlite", "pandas", "matplotlib"}


@pytest.mark.parametrize(
    ("module", "extra"), [("typer", "cli"), ("pandas", "forecast")]
)
def test_what_is_not_installed_is_named_with_its_extra(module, extra):
    done = in_python(f"sys.modules[{module!r}] = None", "compare")
    assert done.returncode == 2
    assert done.stderr == (
        f"refrain: error: {module} is not installed; "
        f"run: pip install 'refrain[{extra}]'\n"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_an_interrupt_ends_in_one_line(start, tmp_path):
    file = write_csv(tmp_path, "v\n" + "1\n2\n3\n" * 50)
    running = start("compare", file, "--output", tmp_path / "out")
    assert running.stdout.readline().startswith("v, table.csv")
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert err.splitlines()[-1] == "refrain: interrupted"
    assert "Traceback" not in err
    assert not list((tmp_path / "out").iterdir())
