"""XLA in a hurry: small computations that run once are not worth its optimisations."""

from tests.layers.conftest import _compile_fast  # noqa: F401
