"""A stream opens with what is on disk: nothing is emitted anew, little is imported."""

import subprocess
import sys

import numpy as np
import pytest

import refrain
from refrain.runtime import standalone
from tests.stream.test_stream import chain

# What takes long to import, and what a stream has no use for.
USELESS = (
    "keras jax torch tensorflow onnx onnxruntime xml http email urllib.request "
    "refrain.layers refrain.export refrain.study "
)


def test_nothing_is_emitted_where_the_disk_has_it(rng, tmp_path, monkeypatch):
    monkeypatch.setenv("REFRAIN_CACHE", str(tmp_path / "kept"))
    model, x = chain(rng), rng.normal(size=(9, 5)).astype("float32")
    first = refrain.stream.open(model, threads=2).run(x)
    for name in ("emit_standalone", "emit_prepare", "emit_team", "compile_object"):
        monkeypatch.delattr(standalone, name)
    assert np.array_equal(refrain.stream.open(model, threads=2).run(x), first)
    with pytest.raises(NameError):  # no one has opened this one
        refrain.stream.open(model, sessions=2)


@pytest.mark.filterwarnings("ignore:__array__")  # Keras writes the file
@pytest.mark.parametrize(("file", "others"), [("n.keras", ""), ("n.step", "h5py")])
def test_opening_imports_little(file, others, rng, tmp_path):
    if file == "n.keras":
        chain(rng).save(tmp_path / file)
    else:
        refrain.stream.open(chain(rng)).save(tmp_path / file)
    code = (
        "import sys, refrain\n"
        f"refrain.stream.load({str(tmp_path / file)!r}).step([0] * 5)\n"
        f"print(*sys.modules.keys() & {set((USELESS + others).split())})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []
