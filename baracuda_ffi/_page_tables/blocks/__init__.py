"""Whose pages are whose: sequences that grow, share and let go of them."""
