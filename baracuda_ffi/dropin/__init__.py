"""Functions of other libraries by their own names, argument for argument, that append by this one.

Change one import, and what was written stays the same::

    from baracuda_ffi.dropin.flashinfer import append_paged_kv_cache  # flashinfer
    from baracuda_ffi.dropin.vllm import reshape_and_cache_flash      # vllm._custom_ops
    from baracuda_ffi.dropin.sglang import store_cache                # sglang.kernels.ops.kvcache.kvcache

They take torch's tensors, CUDA tensors on torch's current stream and CPU tensors too, and may be compiled:
they call ``baracuda_ffi.torch.append_paged_kv``. Where the other library reads or writes what it should not
(a batch index of -1, a slot beyond the cache, rows of another type than the cache), these skip the row on a
GPU, and refuse the call where its types, its shapes or, on the CPU, its places are wrong.
"""
