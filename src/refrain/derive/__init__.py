"""From a graph to its gradient, and to a smaller graph with the same meaning."""
