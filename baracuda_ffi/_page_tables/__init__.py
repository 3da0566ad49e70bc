"""Page tables outside an append: what is wrong with one."""
