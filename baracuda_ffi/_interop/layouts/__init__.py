"""Where objects say themselves what they are, for the built-in functions to read them without a call."""
