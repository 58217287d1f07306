"""What runs when: from a graph to a program of stages over buffers."""
