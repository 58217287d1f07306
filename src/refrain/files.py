"""Writes result files so that a reader never meets half of one."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from refrain.errors import RefrainError


def make_folder(folder: str | os.PathLike[str]) -> Path:
    """Create a folder for results, with its parents, and check it can be written to.

    Raises:
        RefrainError: it is a file, or it cannot be created or written to.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as fault:
        reason = "it is a file" if path.is_file() else fault.strerror
        raise RefrainError(
            f"cannot write to the folder {path}: {reason}; choose another one"
        ) from None
    return path


def write_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file whole or not at all.

    Args:
        path: the file; replaced if it exists.
        write: given a temporary path in the same folder, with the same suffix;
            writes the content there.

    Raises:
        RefrainError: the disk is full, the folder is gone, or the like.
    """
    try:
        handle, name = tempfile.mkstemp(path.suffix, f".{path.stem}-", path.parent)
        temporary = Path(name)
        try:
            os.close(handle)
            write(temporary)
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
            # mkstemp makes files for the owner alone; results are as any other file.
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as fault:
        raise RefrainError(f"cannot write {path}: {fault.strerror}") from None


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of this content, whole or not at all; see `write_file`."""
    write_file(path, lambda temporary: temporary.write_bytes(content))


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
