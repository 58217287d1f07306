"""What the `refrain train` commands do round a training."""

from __future__ import annotations

import contextlib
import importlib.util
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from refrain.errors import OptionError
from refrain.files import make_folder
from refrain.tasks.job.options import make, read_config
from refrain.words import counted

Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="MODEL",
        help="The model's file. Its report is written beside it, as .html.",
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="TOML file of the options below; the command's count."
    ),
]
Tune = Annotated[
    int,
    typer.Option(
        metavar="N",
        min=0,
        help="Trials to search units, layers, learning rate and dropout.",
    ),
]
Anew = Annotated[
    bool,
    typer.Option(
        "--anew", help="Begin again, and do not go on from a training cut off."
    ),
]
Tensorboard = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="Write losses for TensorBoard there."),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print the figures alone.")]
# The names of these options, which are none of the job.
COMMAND = ("output", "config", "tune", "anew", "tensorboard", "quiet")

_SEARCHED = ("units", "layers", "learning_rate", "dropout")
_WRITERS = ("tensorflow", "tensorboard")

Options = TypeVar("Options")


def job_options(
    job: type[Options], config: Path | None, given: Mapping[str, Any]
) -> Options:
    """The options of a job: the command's count, then those of a file, if there is one.

    Raises:
        OptionError: the file cannot serve, or an option is not known or has a value
            that it cannot have.
    """
    found = read_config(config, job, COMMAND) if config else {}
    return make(job, found, given)


@contextlib.contextmanager
def training_folder(
    output: Path, data: Path, anew: bool, quiet: bool
) -> Iterator[Path]:
    """A folder beside the model's file that keeps where training stands.

    It goes when all is done, or nothing was kept; it stays when training is cut off.

    Raises:
        RefrainError: the model's file cannot be written there.
    """
    if output.is_dir():
        raise OptionError(f"--output: {output} is a folder; expected a file's name")
    if output.suffix == ".html":
        raise OptionError(
            f"--output: {output} is the name of the report; expected that of the "
            f"model, such as {output.with_suffix('.refrain')}"
        )
    if output.resolve() == data.resolve():
        raise OptionError(f"--output: {output} holds the data; expected another name")
    make_folder(output.parent)
    kept = output.with_name(f"{output.name}.training")
    if kept.exists() and anew:
        shutil.rmtree(kept)
    if kept.exists() and not quiet:
        print(f"Going on from {kept} (--anew begins again)", file=sys.stderr)
    try:
        yield kept
    except BaseException:
        if not any(path.is_file() for path in kept.rglob("*")):
            shutil.rmtree(kept, ignore_errors=True)  # nothing to go on from
        raise
    shutil.rmtree(kept)


def search_line(options: Any, trials: int) -> tuple[str, ...]:
    """What a search for options has found; nothing without one."""
    if not trials:
        return ()
    found = (f"{n.replace('_', ' ')} {getattr(options, n):.3g}" for n in _SEARCHED)
    return (f"found in {counted(trials, 'trial')}: {', '.join(found)}",)


def tensorboard_callbacks(folder: Path | None) -> list[Any]:
    """The callbacks that write losses for TensorBoard; none without a folder.

    Raises:
        OptionError: TensorFlow or TensorBoard is not installed.
    """
    if folder is None:
        return []
    missing = [n for n in _WRITERS if importlib.util.find_spec(n) is None]
    if missing:
        raise OptionError(
            f"--tensorboard needs {' and '.join(missing)}, which Keras writes with; "
            "run: pip install 'refrain[tensorboard]'"
        )
    import keras

    make_folder(folder)
    return [keras.callbacks.TensorBoard(str(folder), write_graph=False)]
