"""Keras's namespace with refrain's recurrent layers in place.

`from refrain.keras import layers, models` is the one line that a Keras script
changes. Everything but `layers` and `Sequential`'s recurrent content is Keras itself:
the same objects, not copies.
"""

import importlib
import sys
from types import ModuleType

importlib.import_module("refrain.layers")  # before Keras: see there

import keras as _keras  # noqa: E402
from keras import *  # noqa: E402, F403

# By name: after the star import `layers` would be Keras's.
layers = importlib.import_module("refrain.keras.layers")

for _name in dir(_keras):
    _module = getattr(_keras, _name)
    if _name.startswith("_") or _name == "layers":
        continue
    if isinstance(_module, ModuleType):
        # For `import refrain.keras.losses` and `from refrain.keras.utils import x`.
        sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _module

__version__ = _keras.__version__
