r"""The equations as LaTeX, with the letters of the source: `W_f x_t + U_f h_{t-1}`.

Keeps to what KaTeX, MathJax and, a line at a time, matplotlib can render.
"""

from __future__ import annotations

import re

from refrain.graph.equations import Notation, equations
from refrain.graph.graph import Graph
from refrain.graph.node import Node
from refrain.graph.ops import OPS

# Without xi, which is also how sources write the part of x for the gate i.
_GREEK = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa"),
    *("lambda", "mu", "nu", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega"),
    *("Gamma", "Delta", "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega"),
}
_ACCENTS = ("hat", "tilde", "bar")
_FUNCTIONS = {
    "sigmoid": r"\sigma",
    "tanh": r"\tanh",
    "exp": r"\exp",
    "log": r"\log",
    "sin": r"\sin",
    "cos": r"\cos",
    "max": r"\max",
    "maximum": r"\max",
    "minimum": r"\min",
    "log_sigmoid": r"\log\sigma",
    "layer_norm": r"\mathrm{LN}",
}


def latex(graph: Graph) -> str:
    """The equations as an `aligned` environment."""
    lines = _Latex(equations(graph)).lines()
    rows = " \\\\\n".join(f"  {name} &= {right}" for name, right in lines)
    return f"\\begin{{aligned}}\n{rows}\n\\end{{aligned}}\n"


def symbol(name: str, *below: str) -> str:
    r"""A name of the source as a symbol: `b_u` is `b_{u}`, `c_hat` is `\hat{c}`.

    Args:
        name: as in the source.
        below: further subscripts, e.g. a gate, or the time.
    """
    head, *parts = name.split("_")
    found = re.fullmatch(r"([A-Za-z]+?)(\d+)", head)
    if found:
        head, parts = found[1], [found[2], *parts]
    accents = [p for p in parts if p in _ACCENTS]
    subscripts = [_letter(p) for p in parts if p not in _ACCENTS] + list(below)
    shown = _letter(head)
    for accent in accents:
        shown = rf"\{accent}{{{shown}}}"
    if not subscripts:
        return shown
    joined = ",".join(subscripts)
    return f"{shown}_{joined}" if len(joined) == 1 else f"{shown}_{{{joined}}}"


def _letter(name: str) -> str:
    if name in _GREEK:
        return rf"\{name}"
    if found := re.fullmatch(r"([A-Za-z])(\d+)", name):
        return symbol(f"{found[1]}_{found[2]}")
    return name if len(name) == 1 or name.isdigit() else rf"\mathrm{{{name}}}"


class _Latex(Notation):
    """As in a paper: matrices to the left, time and gates below the letters."""

    def name(self, name: str) -> str:
        return symbol(name, "t")

    def leaf(self, name: str) -> str:
        if name == "x":
            return "x_t"
        if name.endswith("_prev"):
            return symbol(name.removesuffix("_prev"), "t-1")
        weight, _, gate = name.partition(".")
        return symbol(weight, *([_letter(gate)] if gate else []))

    def number(self, value: float) -> str:
        digits, _, power = f"{value:g}".partition("e")
        if not power:
            return digits
        scale = f"10^{{{int(power)}}}"
        return scale if digits == "1" else rf"{digits} \cdot {scale}"

    def group(self, text: str) -> str:
        return rf"\left({text}\right)"

    def call(self, name: str, given: tuple[Node, ...]) -> str:
        words = name.replace("_", r"\,")
        function = _FUNCTIONS.get(name, rf"\mathrm{{{words}}}")
        inside = r",\ ".join(map(self.write, given))
        return rf"{function}\left({inside}\right)"

    def primitive(self, node: Node) -> tuple[str, int]:
        rule = getattr(self, f"_{node.op.name}", None)
        if rule is None:
            return self.call(node.op.name, node.inputs), self.WHOLE
        return rule(*node.inputs)

    def _add(self, a: Node, b: Node) -> tuple[str, int]:
        return f"{self.write(a)} + {self.write(b)}", self.SUM

    def _subtract(self, a: Node, b: Node) -> tuple[str, int]:
        return f"{self.write(a)} - {self.write(b, self.PRODUCT)}", self.SUM

    def _negative(self, a: Node) -> tuple[str, int]:
        return f"-{self.write(a, self.PRODUCT)}", self.SUM

    def _multiply(self, a: Node, b: Node) -> tuple[str, int]:
        if a is b:
            return f"{{{self.write(a, self.WHOLE)}}}^2", self.MATRIX
        if b.op is OPS["constant"]:
            a, b = b, a
        times = r" \odot " if a.shape and b.shape else r"\, "
        return times.join(self.write(i, self.PRODUCT) for i in (a, b)), self.PRODUCT

    def _divide(self, a: Node, b: Node) -> tuple[str, int]:
        return rf"\frac{{{self.write(a)}}}{{{self.write(b)}}}", self.WHOLE

    def _matmul(self, vector: Node, matrix: Node) -> tuple[str, int]:
        return f"{self.write(matrix)} {self.write(vector, self.MATRIX)}", self.MATRIX

    def _matmul_transposed(self, vector: Node, matrix: Node) -> tuple[str, int]:
        transposed = rf"{{{self.write(matrix)}}}^\top"
        return f"{transposed} {self.write(vector, self.MATRIX)}", self.MATRIX

    def _greater(self, a: Node, b: Node) -> tuple[str, int]:
        return f"{self.write(a)} > {self.write(b)}", self.SUM

    def _sqrt(self, a: Node) -> tuple[str, int]:
        return rf"\sqrt{{{self.write(a)}}}", self.WHOLE

    def _abs(self, a: Node) -> tuple[str, int]:
        return rf"\left|{self.write(a)}\right|", self.WHOLE

    def _expm1(self, a: Node) -> tuple[str, int]:
        return rf"\exp\left({self.write(a)}\right) - 1", self.SUM

    def _log1p(self, a: Node) -> tuple[str, int]:
        return rf"\log\left(1 + {self.write(a)}\right)", self.WHOLE
