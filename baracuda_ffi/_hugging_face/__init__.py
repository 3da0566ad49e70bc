"""The paged cache behind ``baracuda_ffi.transformers``. Imports torch and transformers."""
