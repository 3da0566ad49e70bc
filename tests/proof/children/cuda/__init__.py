"""Those that need a CUDA device, or a shim of its driver."""
