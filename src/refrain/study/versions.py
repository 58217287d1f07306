"""Versions and machine: what measured figures depend on."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

import refrain
from refrain.backend import chosen
from refrain.runtime.processors import usable_processors


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, refrain and all it stands on, and `packages`; the machine."""
    backend = chosen()
    found = {
        "python": platform.python_version(),
        "refrain": refrain.__version__,
        "backend": backend,
    }
    for package in ("keras", backend, "llvmlite", *packages):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    found["system"] = f"{platform.system()} {platform.machine()}"
    found["processor"] = _processor()
    found["cores"] = str(len(usable_processors()))
    return found


def _processor() -> str:
    # platform.processor() is empty on most Linux systems.
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return named[0] if named else platform.processor()
