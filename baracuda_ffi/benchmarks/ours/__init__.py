"""The ways that this package has to append, from Python and from C."""
