"""A serving loop that is real but for its model: ``python -m baracuda_ffi.examples.serve``.

Requests arrive, share prefixes, prefill in chunks, decode, fork, are preempted when pages run out, are
resumed and finish. Every row of K and V is written by ``append_paged_kv``, every page copied by
``copy_pages``; the tokens are held against those of a dense cache.
"""
