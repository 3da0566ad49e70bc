"""What the tests share: the support matrix, conversations over a cache, and the two kinds of memory."""
