"""The functions that equations may use, for `from refrain.functions import tanh`."""

from refrain.graph.functions import *  # noqa: F403
