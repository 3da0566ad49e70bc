"""What is wrong with a page table: a module for each thing that is looked at."""
