import os
from importlib import metadata

import keras
import pytest

from refrain.study.versions import versions


def test_versions_are_those_that_are_installed():
    found = versions("rich")
    assert found["keras"] == keras.__version__
    backend = found["backend"]
    assert backend == keras.backend.backend()
    for package in ("refrain", "rich", "llvmlite", backend):
        assert found[package] == metadata.version(package)


def test_a_package_that_is_absent_is_said_to_be():
    assert versions("no-such-package")["no-such-package"] == "not installed"


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="cores are chosen as on Linux"
)
def test_cores_are_those_that_the_process_may_use():
    usable = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(usable)})
        assert versions()["cores"] == "1"
    finally:
        os.sched_setaffinity(0, usable)
