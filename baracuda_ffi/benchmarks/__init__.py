"""``baracuda-ffi bench``: what an append costs, beside the peers that are installed, in one run.

``docs/benchmarks.md`` says how each figure is taken and what would fool it. Nothing here is imported by the
rest of the package, and importing it needs no GPU and no peer.

Rooms, each of which may import from those before it: ``report`` (what a run found, judged and shown),
``running`` (how a path is made ready and timed), ``operands`` (what is appended, in which form, as objects of
which kind), ``ours`` and ``peers`` (ways to append), ``suites`` (which of them are compared, and on what).
"""
