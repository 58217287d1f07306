"""Object code as it is, as a shared library, or as a WebAssembly module.

The linkers are the system's: `cc` for a shared library, LLVM's `wasm-ld` for a module.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from refrain.errors import ExportError

OBJECT, SHARED_LIBRARY, WASM = ".o", ".so", ".wasm"


def check_kind(path: Path, target: str, host: bool) -> None:
    """Refuse a kind of file that cannot be made, before any work.

    Args:
        path: the file; its suffix says what it is to be.
        target: the processor, by name.
        host: it is this machine.

    Raises:
        ExportError: the suffix is unknown or does not fit the target, or there is no
            linker.
    """
    kind = path.suffix
    if kind not in (OBJECT, SHARED_LIBRARY, WASM):
        raise ExportError(
            f"{path}: expected a file named *{OBJECT}, *{SHARED_LIBRARY} or *{WASM}, "
            f"received {kind or 'no suffix'!r}"
        )
    if kind == WASM and not target.startswith("wasm"):
        raise ExportError(f"{path}: code for {target} is no WebAssembly; use wasm32")
    if kind == SHARED_LIBRARY and not host:
        raise ExportError(
            f"{path}: a shared library is linked for this machine alone; write an "
            f"object file (*{OBJECT}) and link it with the tools for {target}"
        )
    _linker(kind)


def link(code: bytes, path: Path, exported: Sequence[str]) -> bytes:
    """What a file of this kind contains.

    Args:
        code: an object file.
        path: the file that it is for; its suffix says what it is to be.
        exported: names that a module shows.
    """
    program = _linker(path.suffix)
    if program is None:
        return code
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder, "code.o"), Path(folder, "linked")
        given.write_bytes(code)
        if path.suffix == SHARED_LIBRARY:
            command = [program, "-shared", "-o", str(made), str(given), "-lm"]
        else:
            shown = [f"--export={name}" for name in (*exported, "__heap_base")]
            command = [program, "--no-entry", *shown, "-o", str(made), str(given)]
        done = subprocess.run(  # noqa: S603 (a linker, on a file of ours)
            command, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ExportError(f"{path}: {Path(program).name} fails: {_reason(done)}")
        return made.read_bytes()


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    return lines[0]


def _linker(kind: str) -> str | None:
    """The program that links a kind of file; None for object files.

    Raises:
        ExportError: it is not installed.
    """
    if kind == OBJECT:
        return None
    if kind == SHARED_LIBRARY:
        if found := shutil.which("cc") or shutil.which("gcc"):
            return found
        raise ExportError(
            "a shared library needs a C compiler, cc; write an object file (*.o)"
        )
    if found := shutil.which("wasm-ld") or _numbered_linker():
        return found
    raise ExportError(
        "a WebAssembly module needs wasm-ld, which is part of LLVM's lld (on Debian: "
        "apt install lld); or write an object file (*.o)"
    )


def _numbered_linker() -> str | None:
    """`wasm-ld-19` and the like: systems without the plain name have these."""
    numbers = range(40, 10, -1)
    return next(filter(None, (shutil.which(f"wasm-ld-{n}") for n in numbers)), None)
