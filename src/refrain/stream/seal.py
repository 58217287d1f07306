"""States as bytes that tell whether they are whole."""

from __future__ import annotations

import hashlib

from refrain.errors import StreamError

_HEAD = b"refrain state 1\n"
_SUM = hashlib.sha256().digest_size


def sealed(body: bytes) -> bytes:
    """Bytes with a head and a sum around them."""
    return _HEAD + body + hashlib.sha256(body).digest()


def unsealed(state: bytes) -> bytes:
    """What `sealed` was given.

    Raises:
        StreamError: it did not return this.
    """
    if not isinstance(state, (bytes, bytearray, memoryview)):
        raise StreamError(
            f"expected the bytes that Stream.state returned, received {state!r:.40}"
        )
    state = bytes(state)
    body, found = state[len(_HEAD) : -_SUM], state[-_SUM:]
    if state[: len(_HEAD)] != _HEAD or hashlib.sha256(body).digest() != found:
        raise StreamError("expected what Stream.state returned; this is damaged")
    return body
