"""The C header of native code: its sizes, and how to call it."""

from __future__ import annotations

from dataclasses import dataclass

import refrain


@dataclass(frozen=True)
class Interface:
    """What a caller has to know.

    Attributes:
        name: what functions and types are called after.
        source: the model, in words.
        target: the processor, by name.
        features, outputs: numbers that enter and leave a step.
        state: numbers of the states, which come first in the memory of a stream.
        memory: numbers of that memory.
        weights: numbers of a separate array of weights, or None.
    """

    name: str
    source: str
    target: str
    features: int
    outputs: int
    state: int
    memory: int
    weights: int | None


_TEXT = """\
/* {name}: {source}, as native code for {target}; float32, one sample a stream.
   Written by refrain {version}. No allocation, no lock, nothing called outside.

     static {name}_stream stream;
     {name}_init(&stream);
     {name}_step(&stream, {argument}x, y);    for each frame

   Streams are independent of each other; each may have a thread of its own. */
#ifndef {upper}_H
#define {upper}_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {{
#endif

enum {{
  {upper}_FEATURES = {features}, /* numbers that enter a step */
  {upper}_OUTPUTS = {outputs}, /* numbers that leave it */
  {upper}_STATE = {state}, /* numbers to keep to continue a stream later */
  {upper}_MEMORY = {memory} /* numbers of a stream */{last}
}};

/* The first {upper}_STATE numbers are the state; the others are for work. */
typedef struct {{
  float numbers[{upper}_MEMORY];
}} {name}_stream;

/* Before the first use of a stream. */
void {name}_init({name}_stream *stream);

/* Back to the state of zeros. */
void {name}_reset({name}_stream *stream);

/* One step: x has {upper}_FEATURES numbers, y gets {upper}_OUTPUTS. */
void {name}_step({name}_stream *stream, {parameter}const float *x, float *y);

/* As many steps: x has steps * {upper}_FEATURES numbers, y gets all outputs. */
void {name}_run({name}_stream *stream, {parameter}const float *x, size_t steps,
    float *y);

#ifdef __cplusplus
}}
#endif

#endif
"""


def header(interface: Interface) -> str:
    """The header's text."""
    separate = interface.weights is not None
    upper = interface.name.upper()
    extra = f",\n  {upper}_WEIGHTS = {interface.weights} /* numbers of weights */"
    return _TEXT.format(
        **vars(interface),
        upper=upper,
        version=refrain.__version__,
        argument="weights, " if separate else "",
        parameter="const float *weights, " if separate else "",
        last=extra if separate else "",
    )
