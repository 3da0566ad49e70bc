"""Ways to append that are not ours. Each module makes a ``Call`` of operands, or raises ``Absent``."""
