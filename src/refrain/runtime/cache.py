"""Compiled code on disk, so that a second process need not compile.

One file a kernel, in a folder that nobody else may write to. A file is machine code,
so it is used only if it is whole and lies in such a folder; anything else is compiled
anew. A folder that cannot be written to is read. `REFRAIN_CACHE` names another folder;
`REFRAIN_CACHE=off` does without.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import llvmlite
import llvmlite.binding as llvm

import refrain

_MAGIC = b"refrain kernel 1\n"
_DIGEST = hashlib.sha256().digest_size
_UNFINISHED = "new-"


def key(*parts: str) -> str:
    """A name for code that depends on these parts and on who makes it."""
    versions = (refrain.__version__, llvmlite.__version__, str(llvm.llvm_version_info))
    text = "\0".join((*versions, _source_digest(), *parts))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _source_digest() -> str:
    """Changes with the code that turns equations into machine code."""
    root = Path(refrain.__file__).parent
    found = hashlib.sha256()
    for folder in ("graph", "derive", "plan", "emit", "runtime"):
        for file in sorted((root / folder).rglob("*.py")):
            found.update(file.read_bytes())
    return found.hexdigest()


def folder() -> Path | None:
    """Where compiled code is kept; None where the user wants no cache."""
    chosen = os.environ.get("REFRAIN_CACHE")
    if chosen == "off":
        return None
    if chosen:
        return Path(os.path.expanduser(chosen))
    home = Path(os.path.expanduser("~"))  # "~" itself where nobody knows the home
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "refrain"


def status() -> str:
    """Where the cache is and what it holds, or why there is none."""
    place = folder()
    if place is None:
        return "off: REFRAIN_CACHE=off"
    if (reason := _refusal(place)) is not None:
        return f"not used: {reason}"
    files = entries()
    size = sum(f.stat().st_size for f in files) / 1e6
    more = "" if os.access(place, os.W_OK) else "; it cannot be written to"
    return f"{place}: {len(files)} kernels, {size:.1f} MB{more}"


def load_or_make(name: str, make: Callable[[], bytes]) -> tuple[bytes, bool]:
    """The code kept under a key, else what `make` makes, which is kept from now.

    Returns:
        The code, and whether it was there.
    """
    code = load(name)
    if code is not None:
        return code, True
    code = make()
    store(name, code)
    return code, False


def load(name: str) -> bytes | None:
    """The code kept under a key, if it is there and whole."""
    place = folder()
    if place is None or _refusal(place) is not None:
        return None
    try:
        content = (place / f"{name}.kernel").read_bytes()
    except OSError:
        return None
    start = len(_MAGIC) + _DIGEST
    code = content[start:]
    if content[:start] != _MAGIC + hashlib.sha256(name.encode() + code).digest():
        return None
    return code


def store(name: str, code: bytes) -> None:
    """Keep code under a key; a folder that cannot be used is left alone."""
    place = folder()
    if place is None or _refusal(place) is not None:
        return
    digest = hashlib.sha256(name.encode() + code).digest()
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=place, prefix=_UNFINISHED)
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + digest + code)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, place / f"{name}.kernel")
    except OSError:
        # A full disk, say; `status` tells, and the kernel runs without the cache.
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)


def entries() -> list[Path]:
    """The files of the cache."""
    place = folder()
    return sorted(place.glob("*.kernel")) if place and place.is_dir() else []


def clear() -> int:
    """Remove every kernel; return how many there were."""
    files = entries()
    place = folder()
    unfinished = place.glob(f"{_UNFINISHED}*") if place else ()
    for file in (*files, *unfinished):
        file.unlink(missing_ok=True)
    return len(files)


def _refusal(place: Path) -> str | None:
    """Why a folder cannot be trusted with machine code; None if it can."""
    if place.parts[:1] == ("~",):
        return "the home folder is not known"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = place.stat()
    except OSError as error:
        return f"{place}: {error.strerror}"
    if sys.platform == "win32":
        return None
    if found.st_uid != os.getuid():
        return f"{place} belongs to another user"
    if stat.S_IMODE(found.st_mode) & 0o022:
        return f"others may write to {place}"
    return None
