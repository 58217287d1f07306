"""Writes result files so that a reader never meets half of one."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import math
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from refrain.errors import RefrainError

_ABOUT = "about.json"


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


def plain(record: Any) -> Any:
    """A record as JSON's own types; what is not a finite number becomes None."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        record = {f.name: getattr(record, f.name) for f in dataclasses.fields(record)}
    if isinstance(record, Mapping):
        return {key: plain(item) for key, item in record.items()}
    if isinstance(record, (list, tuple)):
        return [plain(item) for item in record]
    if isinstance(record, float) and not math.isfinite(record):
        return None
    return record


def write_arrays(path: Path, about: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Write plain arrays and what they are about as one zip, whole or not at all.

    Args:
        path: the file.
        about: anything that JSON holds.
        arrays: by name.
    """
    write_bytes(path, pack_arrays(about, arrays))


def pack_arrays(about: Any, arrays: Mapping[str, np.ndarray]) -> bytes:
    """What `write_arrays` writes, as bytes."""
    text = json.dumps(about, indent=1, ensure_ascii=False)
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    with zipfile.ZipFile(packed, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(_ABOUT, text)
    return packed.getvalue()


def holds_arrays(path: Path) -> bool:
    """Whether a file looks like one that `write_arrays` wrote."""
    if not (path.is_file() and zipfile.is_zipfile(path)):
        return False
    with zipfile.ZipFile(path) as archive:
        return _ABOUT in archive.namelist()


def read_arrays(path: Path, largest: int) -> tuple[Any, dict[str, np.ndarray]]:
    """Read what `write_arrays` wrote; nothing in the file is code.

    Args:
        path: the file.
        largest: bytes that all of it may take in memory.

    Raises:
        RefrainError: the file is missing, too large, something else or damaged.
    """
    with _opened(path) as file:
        return _unpack(file, largest, str(path))


def read_about(path: Path, largest: int) -> Any:
    """What the arrays of such a file are about, without them; see `read_arrays`."""
    with _opened(path) as file:
        return _about(file, largest, str(path))


def unpack_arrays(packed: bytes, largest: int) -> tuple[Any, dict[str, np.ndarray]]:
    """What `pack_arrays` packed; see `read_arrays`."""
    return _unpack(io.BytesIO(packed), largest, "the bytes")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as fault:
        raise RefrainError(f"cannot read {path}: {fault.strerror or fault}") from None


def _unpack(
    file: BinaryIO, largest: int, name: str
) -> tuple[Any, dict[str, np.ndarray]]:
    about = _about(file, largest, name)
    file.seek(0)
    with _telling(name), np.load(file, allow_pickle=False) as kept:
        names = (each for each in kept.files if each != _ABOUT)
        return about, {each: np.asarray(kept[each]) for each in names}


def _about(file: BinaryIO, largest: int, name: str) -> Any:
    with _telling(name), zipfile.ZipFile(file) as archive:
        size = sum(member.file_size for member in archive.infolist())
        if size > largest:
            raise RefrainError(f"{name}: {size:,} bytes; expected {largest:,} at most")
        return json.loads(archive.read(_ABOUT))


@contextlib.contextmanager
def _telling(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RefrainError):
        raise
    except Exception:  # of any type: whatever lies in it
        raise RefrainError(
            f"{name}: expected a file that refrain wrote, received something else or a "
            "damaged one"
        ) from None


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
