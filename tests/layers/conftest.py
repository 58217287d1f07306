"""Both paths that run a cell's equations, and cells that no one but a test defines."""

import pytest


@pytest.fixture(params=["kernel", "scan"])
def path(request, monkeypatch):
    """The path that must run; any other is an error."""
    wish = "require" if request.param == "kernel" else "off"
    monkeypatch.setenv("REFRAIN_KERNELS", wish)
    return request.param
