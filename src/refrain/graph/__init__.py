"""The language of cells: nodes, primitives, tracing, and their meaning in NumPy."""
