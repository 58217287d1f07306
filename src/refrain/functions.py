"""The functions that equations may use, for `from refrain.functions import tanh`."""

from refrain.graph.functions import *  # noqa: F403
from refrain.graph.functions import __all__ as __all__
