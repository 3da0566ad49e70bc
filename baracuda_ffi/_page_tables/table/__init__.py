"""The page table of a batch: the operands that say where its rows go, kept up to date step by step."""
