"""Draws a cell from its graph: elements, then places and lines, then SVG."""
