"""The native library: found, opened, its functions, its CPython accelerator, the CUDA driver."""
