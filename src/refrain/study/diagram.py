"""A cell's diagram as a file: SVG as it is, or PNG for where SVG cannot be shown."""

from __future__ import annotations

from pathlib import Path

from refrain.errors import RefrainError
from refrain.files import write_bytes

PIXELS_A_UNIT = 2.0  # sharp on screens of double density


def write_diagram(diagram: str, path: str | Path) -> None:
    """Write what `cell.diagram()` returns; the suffix says as what.

    Args:
        diagram: the text of an SVG file.
        path: a file that ends in .svg or .png; replaced if it exists.

    Raises:
        RefrainError: another suffix, a file that cannot be written, or a PNG without
            what draws it: the extra `report`.
    """
    file = Path(path)
    if file.suffix == ".svg":
        content = diagram.encode()
    elif file.suffix == ".png":
        content = _png(diagram)
    else:
        raise RefrainError(
            f"{file.name}: expected a name that ends in .svg or .png for a diagram"
        )
    write_bytes(file, content)


def _png(diagram: str) -> bytes:
    try:
        import matplotlib
        import resvg_py
    except ModuleNotFoundError as missing:
        raise RefrainError(
            f"a diagram as PNG needs {missing.name}, which is not installed; "
            "run: pip install 'refrain[report]', or write an .svg file"
        ) from None
    # Matplotlib's own fonts, so that the picture is the same on every machine.
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return resvg_py.svg_to_bytes(
        svg_string=diagram,
        background="white",
        zoom=PIXELS_A_UNIT,
        skip_system_fonts=True,
        font_dirs=[str(fonts)],
        font_family="DejaVu Sans",
        sans_serif_family="DejaVu Sans",
        serif_family="DejaVu Serif",
    )
