"""`refrain explain`: which path runs each recurrent layer of a saved model, and why."""

from __future__ import annotations

import textwrap
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from refrain.errors import DataError, innermost

if TYPE_CHECKING:
    import keras

Model = Annotated[
    Path,
    typer.Argument(
        metavar="MODEL",
        help="File that Keras saved: model.save('MODEL.keras').",
        show_default=False,
    ),
]


def explain(
    model: Model,
    details: Annotated[
        bool,
        typer.Option(
            "--details",
            help="Also the plan, size, compile time and measured speed of kernels.",
        ),
    ] = False,
) -> None:
    """Say which path runs each recurrent layer of a saved Keras model, and why.

    The file is read in Keras's safe mode, which runs no code that lies in it.
    """
    # A file that is none is told before Keras is imported, which takes seconds.
    check_file(model)
    loaded = load(model)
    from refrain.layers.details import recurrent_layers

    found = list(recurrent_layers(loaded, whole=True))
    if not found:
        print(f"{model}: no recurrent layer")
    for path, layer in found:
        print(f"{path} ({type(layer).__name__})")
        print(textwrap.indent(explanation(layer, details), "  "))


def check_file(file: Path) -> None:
    """Refuse what is no model in Keras's format, without importing Keras.

    Raises:
        DataError: there is no such file, or it is something else.
    """
    if file.is_dir():
        raise DataError(f"{file} is a folder; expected a .keras file")
    try:
        with zipfile.ZipFile(file) as parts:
            whole = "config.json" in parts.namelist()
    except FileNotFoundError:
        raise DataError(f"{file}: no such file") from None
    except OSError as fault:
        raise DataError(f"{file}: cannot be read: {fault.strerror}") from None
    except zipfile.BadZipFile:
        whole = False
    if not whole or file.suffix != ".keras":
        raise DataError(
            f"{file} is not a model in Keras's format; expected a file written with "
            "model.save('NAME.keras')"
        )


def load(file: Path) -> keras.Model:
    """The model in a file, not compiled.

    Raises:
        DataError: it cannot be loaded: a class or a cell is not known here, it holds
            a lambda, or it is damaged.
    """
    import keras

    import refrain.layers  # noqa: F401 (makes them known to Keras)

    try:
        model: Any = keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as fault:  # of any type: whatever lies in the file
        raise DataError(f"{file} cannot be loaded: {_reason(fault)}") from None
    return model


def _reason(fault: BaseException) -> str:
    """Why Keras cannot load a model, in one sentence."""
    fault = innermost(fault)
    reason = str(fault).split("\n")[0].split(". ")[0].rstrip(".")
    if isinstance(fault, TypeError):
        return (
            f"{reason}; import the module that defines it in Python, load the model "
            "there and print layer.explain()"
        )
    return reason or type(fault).__name__


def explanation(layer: keras.Layer, details: bool) -> str:
    """What a recurrent layer says of itself; what is to be said of Keras's own."""
    import keras

    from refrain import layers
    from refrain.layers.equations import Untraced, equations_of

    if hasattr(layer, "explain"):
        return layer.explain(details)
    line = f"{layer.name}: Keras's own loop on {keras.backend.backend()}"
    cells = getattr(layer.cell, "cells", [layer.cell])
    try:
        names = ", ".join(equations_of(cell).cell.name for cell in cells)
    except Untraced as reason:
        return f"{line}, because {reason}"
    name = type(layer).__name__ if hasattr(layers, type(layer).__name__) else "RNN"
    return (
        f"{line}; refrain.keras.layers.{name} in its place would run it from the "
        f"equations of {names}"
    )
