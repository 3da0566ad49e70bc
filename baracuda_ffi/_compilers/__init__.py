"""What compilers see of an append: torch's operator, and what Dynamo reads in the place of our function."""
