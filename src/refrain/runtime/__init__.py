"""Compiles programs, keeps compiled code, and hands out kernels."""
