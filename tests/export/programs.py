"""Steps to export as native code, and programs in C and JavaScript that call them."""

import math
import re
import subprocess
from pathlib import Path

import numpy as np

from refrain.cells import SizedCell
from refrain.derive.simplify import simplify
from refrain.plan.layout import Machine
from refrain.plan.task import Task
from refrain.runtime.driver import parts_of


def task_of(sized: SizedCell, features: int) -> Task:
    """A cell as the step of a network."""
    variables = sized.variables(features)
    return Task(
        simplify(sized.graph),
        None,
        tuple(sized.cell.states),
        {**sized.sizes, "features": features},
        parts_of(variables),
        {v.name: math.prod(v.shape) for v in variables},
        sequence=True,
        against_time=False,
        machine=Machine(8, 16, 1),
    )


# Half of the frames one by one, the rest at once; a second stream in between.
C_PROGRAM = """
#include <stdio.h>
#include "net.h"

static net_stream stream, other;
static const {kind} x[] = {{ {numbers} }};
static float y[{steps} * NET_OUTPUTS], unused[NET_OUTPUTS];
{weights}

int main(void) {{
  int half = {steps} / 2;
  net_init(&stream);
  net_init(&other);
  net_step(&stream, {argument}x + NET_FEATURES, y);
  net_reset(&stream);
  for (int t = 0; t < half; t++) {{
    net_step(&stream, {argument}x + t * NET_FEATURES, y + t * NET_OUTPUTS);
    net_step(&other, {argument}x + NET_FEATURES, unused);
  }}
  net_run(&stream, {argument}x + half * NET_FEATURES, {steps} - half,
          y + half * NET_OUTPUTS);
  for (int i = 0; i < {steps} * NET_OUTPUTS; i++) printf("%.9g\\n", y[i]);
  return 0;
}}
"""

JS_PROGRAM = """
const fs = require("fs");
const x = [{numbers}];
WebAssembly.instantiate(fs.readFileSync("net.wasm")).then(({{ instance }}) => {{
  const net = instance.exports;
  const stream = net.__heap_base.value;
  const input = stream + 4 * {memory};
  const output = input + 4 * x.length;
  const end = output + 4 * {steps} * {outputs};
  const missing = end - net.memory.buffer.byteLength;
  if (missing > 0) net.memory.grow(Math.ceil(missing / 65536));
  new {array}(net.memory.buffer, input, x.length).set(x);
  net.net_init(stream);
  const half = {steps} >> 1;
  for (let t = 0; t < half; t++)
    net.net_step(stream, input + 4 * t * {features}, output + 4 * t * {outputs});
  net.net_run(stream, input + 4 * half * {features}, {steps} - half,
              output + 4 * half * {outputs});
  const y = new Float32Array(net.memory.buffer, output, {steps} * {outputs});
  console.log(y.join("\\n"));
}});
"""


def js_program(x: np.ndarray, header: Path) -> str:
    """JavaScript that does so with `net.wasm`."""
    found = re.findall(r"NET_(\w+) = (\d+)", header.read_text())
    sizes = {name.lower(): int(number) for name, number in found}
    array = "Int32Array" if x.dtype.kind == "i" else "Float32Array"
    return JS_PROGRAM.format(numbers=listed(x), steps=len(x), array=array, **sizes)


def c_program(x: np.ndarray, weights: Path | None = None) -> str:
    """C that prints all outputs for `(timesteps, features)`, or for words."""
    array = argument = ""
    if weights is not None:
        # Weights in fewer bits are no floats, so their bits are told.
        bits = ", ".join(map(str, np.fromfile(weights, "<u4")))
        array = f"static const uint32_t bits[] = {{ {bits} }};"
        argument = "(const float *)bits, "
    words = x.dtype.kind == "i"
    return C_PROGRAM.format(
        kind="int32_t" if words else "float",
        numbers=", ".join(map(str, x)) if words else listed(x),
        steps=len(x),
        weights=array,
        argument=argument,
    )


def built(folder: Path, compiler: str = "gcc", *options: str) -> None:
    """Compile `main.c` with `net.o`."""
    command = [compiler, *options, "main.c", "net.o", "-o", "main", "-lm"]
    subprocess.run(command, cwd=folder, check=True)


def listed(numbers) -> str:
    return ", ".join(repr(float(n)) for n in np.ravel(numbers))


def printed(command: list[str], folder: Path) -> np.ndarray:
    """The numbers that a program prints, one a line."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return np.array([float(line) for line in done.stdout.split()])
