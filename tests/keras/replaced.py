"""A pytest plugin: Keras's own tests find refrain's recurrent layers in `layers`.

It puts another `layers` into each test module, and writes what came of the tests to
the file that REFRAIN_SUITE_REPORT names. `test_keras_suite.py` runs it.
"""

import json
import os
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from keras.src import layers as keras_layers

import refrain.layers

LAYERS = set(refrain.layers.__all__)

# What refrain has no part in, and why.
CUDNN = "expects that Keras calls cuDNN"
EXCLUDED = {
    "test_torch_cudnn_dispatch_fires": CUDNN,
    "test_torch_cudnn_bidirectional_gru_dispatch_fires": CUDNN,
}

outcomes: Counter[str] = Counter()
used: Counter[str] = Counter()  # recurrent layers that tests asked for, by file


class Layers(ModuleType):
    """keras.src.layers for one test module, with refrain's recurrent layers."""

    def __init__(self, file: str):
        super().__init__("layers")
        self._file = file

    def __getattr__(self, name: str):
        if name in LAYERS:
            used[self._file] += 1
            return getattr(refrain.layers, name)
        return getattr(keras_layers, name)


def pytest_configure(config):
    config.addinivalue_line("markers", "requires_trainable_backend: Keras's own")


def pytest_collection_modifyitems(items):
    for item in items:
        if getattr(item.module, "layers", None) is keras_layers:
            item.module.layers = Layers(Path(item.module.__file__).stem)
        if item.originalname in EXCLUDED:
            item.add_marker(pytest.mark.skip(reason=EXCLUDED[item.originalname]))


def pytest_runtest_logreport(report):
    if report.when == "call" or (report.when == "setup" and not report.passed):
        outcomes[report.outcome] += 1


def pytest_sessionfinish():
    found = {"outcomes": outcomes, "used": used}
    Path(os.environ["REFRAIN_SUITE_REPORT"]).write_text(json.dumps(found))
