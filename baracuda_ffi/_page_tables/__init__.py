"""Page tables outside an append."""
