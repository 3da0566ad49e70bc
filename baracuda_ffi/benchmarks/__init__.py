"""``baracuda-ffi bench``: what an append costs, beside the peers that are installed, in one run.

``docs/benchmarks.md`` says how each figure is taken and what would fool it. Nothing here is imported by the
rest of the package, and importing it needs no GPU and no peer.
"""
