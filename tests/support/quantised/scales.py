"""Scales that an engine has, and scales that are none: what is divided by, in tests of every pattern."""

import numpy as np

SUBNORMAL, HUGE = 1e-42, 3e38
SCALES = (1.0, 2.0**-7, 2.0**10, 0.037, 3.0, 41.0, SUBNORMAL, HUGE, 0.0, -0.0, -1.5, np.nan, np.inf)

# By the first a quotient of a number of few bits comes nearest to the middle of a tie and a float beside it,
# their digits being all ones; about the last a GPU begins to divide in another way.
ALL_ONES = 2.0 - 2.0**-23
HARD_SCALES = (ALL_ONES, -ALL_ONES * 2.0**-11, 1.0 + 2.0**-23, 2.0**60, 2.0**61, 2.0**-60, 2.0**-61)
