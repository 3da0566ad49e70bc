"""Whole pages, copied: to other pages, and to a buffer and back."""
