"""`refrain stream`: frames in, answers out, one line each, as they come."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from refrain.errors import DataError
from refrain.files import write_bytes


def stream(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A .keras file, or a file that Stream.save wrote.",
            show_default=False,
        ),
    ],
    frames: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FRAMES]", help="File of frames. [default: standard input]"
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="FILE",
            help="Go on from the states in this file if it exists, and leave them "
            "there at the end, at Ctrl-C too.",
        ),
    ] = None,
    chunk: Annotated[
        int | None,
        typer.Option(
            "--chunk",
            metavar="N",
            min=1,
            help="For bidirectional layers: answer N frames together.",
        ),
    ] = None,
    lookahead: Annotated[
        int,
        typer.Option(
            "--lookahead",
            metavar="N",
            min=0,
            help="With --chunk: once N frames behind them have come.",
        ),
    ] = 0,
    stats: Annotated[
        bool,
        typer.Option("--stats", help="Tell at the end how long steps took."),
    ] = False,
    period_ms: Annotated[
        float | None,
        typer.Option(
            "--period-ms",
            metavar="MS",
            min=0.0,
            help="With --stats: count the steps that took longer.",
        ),
    ] = None,
) -> None:
    """Run a network one step at a time on frames as they come.

    A frame is a line: numbers with commas, or JSON, a list or one number. Its answer
    is a line of the same form, written at once. With --chunk answers come in chunks,
    and the last ones when the frames end; with --state they wait for the next run.
    """
    import refrain.stream

    if chunk is None:
        opened = refrain.stream.load(model)
    else:
        opened = refrain.stream.open_chunks(model, chunk, lookahead)
    if state is not None and state.exists():
        opened.restore(_content(state))
    taken: list[float] = []
    as_json = False
    try:
        for frame, as_json in _frames(frames):
            start = time.perf_counter()
            answers = _answers(opened, frame)
            taken.append(time.perf_counter() - start)
            _print(answers, as_json)
        if isinstance(opened, refrain.stream.Chunks) and state is None:
            _print(opened.flush(), as_json)
    finally:
        if state is not None:
            write_bytes(state, opened.state())
        if stats:
            print(_told(taken, period_ms), file=sys.stderr)


def _answers(opened: Any, frame: Any) -> Any:
    """What a frame brings: one answer, or in chunks none or several."""
    if hasattr(opened, "step"):
        return [opened.step(frame)]
    return opened.run([frame])


def _print(answers: Any, as_json: bool) -> None:
    for answer in answers:
        print(_line(answer, as_json), flush=True)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        raise DataError(f"cannot read {file}: {fault.strerror}") from None


def _frames(file: Path | None) -> Iterator[tuple[Any, bool]]:
    """Frames, and whether each came as JSON."""
    for number, line in enumerate(_lines(file), start=1):
        text = line.strip()
        if not text:
            continue
        as_json = text.startswith("[")
        try:
            yield (json.loads(text) if as_json else _fields(text)), as_json
        except ValueError:
            raise DataError(
                f"line {number}: expected numbers with commas, or a JSON list; "
                f"received {text[:40]!r}"
            ) from None


def _lines(file: Path | None) -> Iterator[str]:
    if file is None:
        yield from sys.stdin
        return
    try:
        with file.open(encoding="utf-8") as lines:
            yield from lines
    except OSError as fault:
        raise DataError(f"cannot read {file}: {fault.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{file}: expected text in UTF-8") from None


def _fields(text: str) -> Any:
    """Numbers with commas; a whole number on its own is that of a word."""
    if text.isdecimal():
        return int(text)
    return [float(field) for field in text.split(",")]


def _line(answer: np.ndarray, as_json: bool) -> str:
    values = [float(f"{value:.7g}") for value in answer.tolist()]
    return json.dumps(values) if as_json else ",".join(map(repr, values))


def _told(taken: list[float], period_ms: float | None) -> str:
    if not taken:
        return "no step"
    micro = np.array(taken) * 1e6
    found = dict(zip((50, 99, 99.9), np.percentile(micro, (50, 99, 99.9)), strict=True))
    parts = [f"{len(taken)} steps"]
    parts += [f"p{p:g} {value:.1f} µs" for p, value in found.items()]
    parts.append(f"max {micro.max():.1f} µs")
    if period_ms is not None:
        missed = int((micro > 1e3 * period_ms).sum())
        parts.append(f"{missed} longer than {period_ms:g} ms")
    return ", ".join(parts)
