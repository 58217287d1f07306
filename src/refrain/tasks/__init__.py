"""Complete jobs on real data, each with its baselines and its errors.

`SentimentClassifier` labels texts. `series.read_series` and `windows.frame` prepare a
series, `forecast.compare_forecasts` trains networks on it.
"""

import importlib

_NAMES = {"SentimentClassifier": "refrain.tasks.text.classifier"}

__all__ = ["SentimentClassifier"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str):
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'refrain.tasks' has no attribute {name!r}")
