"""What is appended, and where to: problems, page tables, and arrays of theirs."""
