"""`refrain stream`: lines in, answers out, one line each, as they come."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from refrain.cli.predict import standard_input
from refrain.errors import DataError, OptionError, StreamError
from refrain.files import holds_arrays, write_bytes

if TYPE_CHECKING:
    from refrain.stream import Chunks, Stream
    from refrain.tasks.job.registry import JobStream


def stream(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL",
            help="A .keras file, a file that Stream.save wrote, or one that `refrain "
            "train` wrote.",
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
    series: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of a forecaster that was trained on several series."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of a forecaster: go on from the end of this table, not from that of "
            "the training data. Rows that follow hold what is known in advance.",
        ),
    ] = None,
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

    A forecaster reads a value a line, or a JSON object {"y": 20.5, ...} with the
    covariates, and a text classifier a word, or several; both answer in JSON.
    """
    opened = _open(model, series, data, chunk, lookahead)
    if state is not None and state.exists():
        try:
            opened.restore(_content(state))
        except (DataError, StreamError) as fault:
            raise DataError(f"{state}: {fault}") from None
    taken: list[float] = []
    try:
        for number, line in enumerate(_lines(frames), start=1):
            try:
                frame = opened.read(line)
                if frame is None:
                    continue
                start = time.perf_counter()
                answers = opened.answers(frame)
                taken.append(time.perf_counter() - start)
            except (DataError, StreamError) as fault:
                raise DataError(f"line {number}: {fault}") from None
            _print(opened, answers)
        if state is None:
            _print(opened, opened.rest())
    finally:
        if state is not None:
            write_bytes(state, opened.state())
        if stats:
            print(_told(taken, period_ms), file=sys.stderr)


def _open(
    model: Path,
    series: str | None,
    data: Path | None,
    chunk: int | None,
    lookahead: int,
) -> _Network | _Job:
    if holds_arrays(model):
        from refrain.tasks.job import registry

        if chunk is not None:
            raise OptionError(f"--chunk: {model} is a trained job, which takes steps")
        return _Job(registry.load(model).stream(series, data))
    import refrain.stream

    for name, value in (("series", series), ("data", data)):
        if value is not None:
            raise OptionError(f"--{name}: {model} is no forecaster")
    if chunk is None:
        return _Network(refrain.stream.load(model))
    return _Network(refrain.stream.open_chunks(model, chunk, lookahead))


class _Job:
    """A trained job, which has its own lines."""

    def __init__(self, opened: JobStream):
        self.read, self.tell = opened.read, opened.tell
        self.state, self.restore = opened.state, opened.restore
        self._step = opened.step

    def answers(self, frame: tuple[Any, ...]) -> list[Any]:
        """What a frame brings."""
        return [self._step(*frame)]

    def rest(self) -> list[Any]:
        """What still comes when frames have ended."""
        return []


class _Network:
    """A network whose frames and answers are lines of numbers or of JSON."""

    def __init__(self, opened: Stream | Chunks):
        self.state, self.restore = opened.state, opened.restore
        self._opened: Any = opened
        self._as_json = False

    def answers(self, frame: tuple[Any, ...]) -> Any:
        """What a frame brings: one answer, or in chunks none or several."""
        if hasattr(self._opened, "step"):
            return [self._opened.step(*frame)]
        return self._opened.run([*frame])

    def rest(self) -> Any:
        """What still comes when frames have ended: of chunks, the last answers."""
        return self._opened.flush() if hasattr(self._opened, "flush") else []

    def read(self, line: str) -> tuple[Any] | None:
        """The frame in a line; None if it is empty."""
        text = line.strip()
        if not text:
            return None
        self._as_json = text.startswith("[")
        try:
            return (json.loads(text) if self._as_json else _fields(text),)
        except ValueError:
            raise DataError(
                f"expected numbers with commas, or a JSON list; received {text[:40]!r}"
            ) from None

    def tell(self, answer: np.ndarray) -> str:
        """An answer in the form of the last frame."""
        values = [float(f"{value:.7g}") for value in answer.tolist()]
        return json.dumps(values) if self._as_json else ",".join(map(repr, values))


def _print(opened: _Network | _Job, answers: Any) -> None:
    for answer in answers:
        print(opened.tell(answer), flush=True)


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as fault:
        raise DataError(f"cannot read {file}: {fault.strerror}") from None


def _lines(file: Path | None) -> Iterator[str]:
    if file is None:
        yield from standard_input()
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
