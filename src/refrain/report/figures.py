"""Plots for a page: matplotlib's figures as SVG in the colours of the page.

A figure is drawn in the colours below. In the page each of them is a variable of the
style sheet, so that a plot is readable on a light and on a dark ground.
"""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Each is told from all others by its digits; figures on paper may use them as they are.
INK, MUTED, LINE, PAPER = "#1a1a1a", "#63635e", "#dcdcd6", "#ffffff"
# Okabe and Ito's colours or near them, told apart by colour-blind readers too.
SERIES = (
    *("#0072b2", "#d55e00", "#009e73", "#b65c95"),
    *("#b87c00", "#2e93c9", "#7b4f9e", "#7d5f28"),
)

_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", PAPER: "paper"} | {
    colour: f"series-{k}" for k, colour in enumerate(SERIES, 1)
}
_COLOUR = re.compile("|".join(_VARIABLES), re.IGNORECASE)
_ID = re.compile(r' id="([^"]*)"')
_USED = re.compile(r'(?:url\(|href=")#([^)"]+)')


def new_figure(width_inch: float = 9.0, height_inch: float = 3.2) -> Figure:
    """An empty figure on the ground of the page; constrained layout keeps it tidy."""
    return Figure((width_inch, height_inch), layout="constrained", facecolor="none")


def style(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Give axes the look of the page, a title and labels."""
    axes.set_facecolor("none")
    axes.set_title(title, loc="left", size=10, weight="bold", color=INK)
    axes.set_xlabel(x, size=9, color=MUTED)
    axes.set_ylabel(y, size=9, color=MUTED)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(labelsize=8.5, color=MUTED, labelcolor=MUTED)
    axes.grid(visible=True, color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)


def legend(axes: Axes, **options: Any) -> None:
    """A legend without a frame, in the colours of the page."""
    axes.legend(frameon=False, fontsize=8.5, labelcolor=INK, **options)


def figure_svg(figure: Figure, name: str) -> str:
    """A figure as an SVG element for a page.

    Args:
        figure: drawn in the colours of this module.
        name: told apart from those of all other figures of the page, for marks that a
            figure defines are seen by the whole page.
    """
    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    used = set(_USED.findall(svg))
    svg = _ID.sub(lambda found: found[0] if found[1] in used else "", svg)
    return _COLOUR.sub(lambda found: f"var(--{_VARIABLES[found[0].lower()]})", svg)
