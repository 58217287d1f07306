"""`refrain cache`: where compiled kernels are kept, and how to be rid of them."""

from __future__ import annotations

from typing import Annotated

import typer

from refrain.errors import RefrainError


def cache(
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove all kernels that are kept.")
    ] = False,
) -> None:
    """Show where compiled kernels are kept, how many there are, and their size.

    A kernel that is not there is compiled when a layer first needs it, so it is
    always safe to clear. REFRAIN_CACHE names another folder; REFRAIN_CACHE=off keeps
    nothing.
    """
    from refrain.runtime import cache as kept

    if clear:
        try:
            number = kept.clear()
        except OSError as fault:
            raise RefrainError(
                f"cannot clear {kept.folder()}: {fault.strerror}"
            ) from None
        print(f"removed: {number}")
    print(kept.status())
