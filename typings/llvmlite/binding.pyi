# llvmlite has no annotations; what a checker infers from its source is wrong.
from typing import Any

def __getattr__(name: str) -> Any: ...
