"""Libraries load in a process whose address space is crowded and torn apart."""

import subprocess
import sys

import pytest

# Leaves holes of one page, room for code but not for its constants, and then nothing
# for 16 GiB.
CROWDED = """
import ctypes
from refrain.emit.llvm.vectors import Target
from refrain.runtime.compile import Library, compile_object

PAGE, NUMBERS = 4096, 4096
TEXT = f'''
@table = private constant [{NUMBERS} x i64] [{", ".join(
    f"i64 {k}" for k in range(NUMBERS))}]
define i64 @look_up(i64 %k) {{
  %p = getelementptr [{NUMBERS} x i64], ptr @table, i64 0, i64 %k
  %v = load i64, ptr %p
  ret i64 %v
}}
'''
target = Target.host("float32")
code = compile_object(TEXT, target)
look_up = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)

def load():
    return look_up(Library(code, target).address("look_up"))(7)

assert load() == 7
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3,
                      ctypes.c_long]
libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]

def reserve(size):
    private_anonymous_noreserve = 0x4022
    return libc.mmap(None, size, 0, private_anonymous_noreserve, -1, 0)

holes = [reserve(3 * PAGE) + PAGE for _ in range(40)]
far = reserve(1 << 34)
for size in (1 << 26, 1 << 20, 1 << 16, 1 << 15, 1 << 14, 1 << 13):
    while reserve(size) > far:
        pass
for hole in holes:
    libc.munmap(hole, PAGE)
assert [load() for _ in range(5)] == [7] * 5
"""


@pytest.mark.skipif(sys.platform != "linux", reason="maps memory as Linux does")
def test_code_reaches_its_constants_in_a_crowded_process():
    done = subprocess.run([sys.executable, "-c", CROWDED], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
