"""baracuda_ffi: every write into a paged KV-cache, prebuilt behind a C ABI.

An LLM engine writes new K and V rows into a paged KV-cache at every step and layer. This package does that on
a GPU, or on the host where there is none, for any array framework and without PyTorch or a JIT::

    import baracuda_ffi as bf

    bf.append_paged_kv(key, value, k_data, v_data, indices, indptr, seq_lens=seq_lens,
                       length_convention="AFTER_APPEND", stream=stream)

or, with the problem stated and checked once, ``PagedKvAppendPlan.select(...)`` and its ``run`` and ``bind``.

Importing it loads neither NumPy nor a CUDA library nor the package's own modules: these come with the first
name that is used, and the native library with the first call that needs it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import reference as reference
    from ._api import *  # noqa: F403 -- the one list of public names is its __all__

    __version__: str
else:

    def __getattr__(name):
        if name == "__version__":
            return _load("_native.about").build_info().version
        if name == "reference":
            return _load("reference")
        if name == "__all__":
            return [*_load("_api").__all__, "reference"]
        if not name.startswith("_") and name in _load("_api").__all__:
            value = globals()[name] = getattr(_load("_api"), name)
            return value
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__():
        return sorted([*globals(), *__getattr__("__all__")])

    def _load(module):
        # As importlib.import_module, which loads two modules for it.
        return __import__(module, globals(), None, ("__name__",), 1)
