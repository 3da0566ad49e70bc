"""Scales that an engine has, and scales that are none: what is divided by, in tests of every pattern."""

import numpy as np

SUBNORMAL, HUGE = 1e-42, 3e38
SCALES = (1.0, 2.0**-7, 2.0**10, 0.037, 3.0, 41.0, SUBNORMAL, HUGE, 0.0, -0.0, -1.5, np.nan, np.inf)
