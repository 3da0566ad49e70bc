"""What an append is said in: enumerators, errors, descriptors. Nothing here knows the library."""
