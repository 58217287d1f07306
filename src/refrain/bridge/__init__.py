"""Kernels inside array libraries, one file each."""
