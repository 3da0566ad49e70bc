"""How a path is made ready and timed, whatever it does."""
