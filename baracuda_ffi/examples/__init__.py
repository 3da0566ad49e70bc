"""One script a framework, each complete and each checking itself: ``python -m
baracuda_ffi.examples.numpy_append``."""
