"""The C header of native code: its sizes, and how to call it."""

from __future__ import annotations

from dataclasses import dataclass

import refrain
from refrain.runtime.standalone import Standalone


@dataclass(frozen=True)
class Interface:
    """What a caller has to know.

    Attributes:
        name: what functions and types are called after.
        source: the model, in words.
        target: the processor, by name.
        storage: how the matrices are stored.
        features, outputs: numbers that enter and leave a step.
        words: whole numbers below this enter, or None.
        state: numbers of the states, which come first in the memory of a stream.
        memory: numbers of that memory.
        weights: numbers of a separate array of weights, or None.
    """

    name: str
    source: str
    target: str
    storage: str
    features: int
    outputs: int
    words: int | None
    state: int
    memory: int
    weights: int | None

    @staticmethod
    def of(made: Standalone, source: str, target: str, storage: str) -> Interface:
        """What a caller has to know of a step."""
        return Interface(
            made.name,
            source,
            target,
            storage,
            made.features,
            made.outputs,
            made.words,
            made.memory.state,
            made.memory.size,
            None if made.weights.inside else made.weights.numbers.size,
        )


_TEXT = """\
/* {name}: {source}, as native code for {target}; float32, one sample a stream,
   weights in {storage}.
   Written by refrain {version}. No allocation, no lock, nothing called outside.

     static {name}_stream stream;
     {name}_init(&stream);
     {name}_step(&stream, {argument}x, y);    for each frame

   Streams are independent of each other; each may have a thread of its own. */
#ifndef {upper}_H
#define {upper}_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

enum {{
  {upper}_FEATURES = {features}, /* numbers that enter a step */
  {upper}_OUTPUTS = {outputs}, /* numbers that leave it */
  {upper}_STATE = {state}, /* numbers to keep to continue a stream later */
  {upper}_MEMORY = {memory} /* numbers of a stream */{more}
}};

/* The first {upper}_STATE numbers are the state; the others are for work. */
typedef struct {{
  float numbers[{upper}_MEMORY];
}} {name}_stream;

/* Before the first use of a stream. */
void {name}_init({name}_stream *stream);

/* Back to the state of zeros. */
void {name}_reset({name}_stream *stream);

/* One step: x has {upper}_FEATURES numbers, y gets {upper}_OUTPUTS.{entering} */
void {name}_step({name}_stream *stream, {parameter}const {kind} *x, float *y);

/* As many steps: x has steps * {upper}_FEATURES numbers, y gets all outputs. */
void {name}_run({name}_stream *stream, {parameter}const {kind} *x, size_t steps,
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
    counts = {"WEIGHTS": interface.weights, "WORDS": interface.words}
    told = {"WEIGHTS": "floats of weights", "WORDS": "words, from 0"}
    more = [
        f",\n  {upper}_{name} = {count} /* {told[name]} */"
        for name, count in counts.items()
        if count is not None
    ]
    beyond = f"\n   A number that is not below {upper}_WORDS makes all outputs NaN."
    return _TEXT.format(
        **vars(interface),
        upper=upper,
        version=refrain.__version__,
        argument="weights, " if separate else "",
        parameter="const float *weights, " if separate else "",
        more="".join(more),
        kind="float" if interface.words is None else "int32_t",
        entering="" if interface.words is None else beyond,
    )
