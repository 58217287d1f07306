"""Both paths that run a cell's equations, and XLA in a hurry."""

import keras
import pytest


@pytest.fixture(autouse=True)
def _compile_fast():
    """Small computations that run once are not worth XLA's optimisations."""
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(params=["kernel", "scan"])
def path(request, monkeypatch):
    """The path that must run; any other is an error."""
    wish = "require" if request.param == "kernel" else "off"
    monkeypatch.setenv("REFRAIN_KERNELS", wish)
    return request.param
