"""Models that leave Python: ONNX files, native code."""
