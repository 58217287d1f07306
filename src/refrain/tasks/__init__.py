"""Complete jobs on real data, each with its baselines and its errors.

`SentimentClassifier` labels texts; `Forecaster` goes from a table of series to
forecasts.
"""

import importlib

_NAMES = {
    "Forecaster": "refrain.tasks.forecast.forecaster",
    "SentimentClassifier": "refrain.tasks.text.classifier",
}

__all__ = [*_NAMES]


def __getattr__(name: str):
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'refrain.tasks' has no attribute {name!r}")
