"""The options of a job as options of its command, under the same names."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from refrain.tasks.job.options import kinds


def with_options(job: type) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command an option for each field of a job's dataclass.

    The command takes them as `**options`; None stands for one that was not given, so
    that a configuration file can settle it.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        own = inspect.signature(command, eval_str=True)
        parameters = [p for p in own.parameters.values() if p.kind is not p.VAR_KEYWORD]
        kind = inspect.Parameter.KEYWORD_ONLY
        for field in dataclasses.fields(job):
            if field.init:
                made = Annotated[kinds(job)[field.name] | None, _option(field)]
                parameters.append(
                    inspect.Parameter(field.name, kind, default=None, annotation=made)
                )
        signature = own.replace(parameters=parameters)
        command.__signature__ = signature  # pyright: ignore[reportFunctionMemberAccess]
        return command

    return decorate


def _option(field: dataclasses.Field[Any]) -> Any:
    about = field.metadata
    default = "" if field.default is None else f" [default: {field.default}]"
    limits = {"min": about["least"], "max": about["most"]}
    return typer.Option(
        help=f"{about['meaning']}{default}", metavar=about["metavar"], **limits
    )
