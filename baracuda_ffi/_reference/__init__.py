"""What the oracle says of each row, and why."""
