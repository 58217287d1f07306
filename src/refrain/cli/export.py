"""`refrain export`: a saved model as a file that needs no Python."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from refrain.cli.explain import Model, check_file, load

export = typer.Typer(
    name="export",
    help="Write a saved Keras model as a file that needs no Python.",
)


@export.command()
def onnx(
    model: Model,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The file to write. [default: MODEL.onnx]",
        ),
    ] = None,
    streaming: Annotated[
        bool,
        typer.Option(
            "--streaming",
            help="States enter and leave, so that a sequence can come in pieces.",
        ),
    ] = False,
    lengths: Annotated[
        bool,
        typer.Option(
            "--lengths", help="An input tells how many steps of each sequence count."
        ),
    ] = False,
) -> None:
    """Write an ONNX file, once ONNX Runtime computes what the model does.

    A cell whose equations are those of ONNX's LSTM, GRU or RNN becomes that node; any
    other one becomes a Scan. Batch and time are dynamic. What ONNX cannot express is
    refused, and the layer is named.
    """
    # A file that is none is told before Keras is imported, which takes seconds.
    check_file(model)
    import refrain.export

    file = refrain.export.onnx(
        load(model),
        output or model.with_suffix(".onnx"),
        streaming=streaming,
        lengths=lengths,
    )
    print(f"Written: {file}")


@export.command()
def native(
    model: Model,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="*.o, *.so or *.wasm; functions are called after it. "
            "[default: MODEL.o]",
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Processor: host, x86-64, x86-64-v3, aarch64, cortex-m4, cortex-m7, "
            "riscv32, riscv64 or wasm32.",
        ),
    ] = "host",
    weights: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="How matrices are stored: float32, bfloat16 or int8. Fewer bits cost "
            "accuracy, which is told.",
        ),
    ] = "float32",
    separate: Annotated[
        bool,
        typer.Option("--separate", help="Weights go into a file *.weights."),
    ] = False,
) -> None:
    """Write native code with a C header: one step of a network.

    The code allocates nothing and calls nothing. The model may have an embedding,
    recurrent layers, Dense, activations, normalisation, causal convolution and pooling.
    """
    check_file(model)
    import refrain.export

    made = refrain.export.native(
        load(model),
        output or model.with_suffix(".o"),
        target=target,
        weights=weights,
        separate=separate,
    )
    print(f"Written: {', '.join(map(str, made.files))}")
    if made.lost:
        print(
            f"Weights in {weights} change outputs by {100 * made.lost:.2g} % of the "
            "largest one at most, over 100 random frames."
        )
