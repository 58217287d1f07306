"""Keras's namespace with refrain's recurrent layers in place.

`from refrain.keras import layers, models` is the one line that a Keras script
changes. Everything but `layers` and `Sequential`'s recurrent content is Keras itself:
the same objects, not copies.
"""

import importlib
import sys
from types import ModuleType

import keras as _keras
from keras import *  # noqa: F403

# By name: after the star import `layers` would be Keras's.
layers = importlib.import_module("refrain.keras.layers")

for _name in dir(_keras):
    _module = getattr(_keras, _name)
    if isinstance(_module, ModuleType) and not _name.startswith("_") and _name != "layers":
        # Makes `import refrain.keras.losses` and `from refrain.keras.utils import x` work.
        sys.modules[f"{__name__}.{_name}"] = globals()[_name] = _module

__version__ = _keras.__version__
