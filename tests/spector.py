"""Spector and Mazzeo's data on teaching economics, with the published estimates of a logit model.

L. C. Spector, M. Mazzeo, "Probit analysis and economic education", Journal of Economic Education 11 (1980), 37-44. The
rows and the estimates stand in W. H. Greene, "Econometric Analysis".
"""

from __future__ import annotations

import numpy as np

# Grade point average, score in a test of economics beforehand, taught by the new method (PSI), grade improved.
_ROWS = """
    2.66 20 0 0, 2.89 22 0 0, 3.28 24 0 0, 2.92 12 0 0, 4.00 21 0 1, 2.86 17 0 0,
    2.76 17 0 0, 2.87 21 0 0, 3.03 25 0 0, 3.92 29 0 1, 2.63 20 0 0, 3.32 23 0 0,
    3.57 23 0 0, 3.26 25 0 1, 3.53 26 0 0, 2.74 19 0 0, 2.75 25 0 0, 2.83 19 0 0,
    3.12 23 1 0, 3.16 25 1 1, 2.06 22 1 0, 3.62 28 1 1, 2.89 14 1 0, 3.51 26 1 0,
    3.54 24 1 1, 2.83 27 1 1, 3.39 17 1 1, 2.67 24 1 0, 3.65 21 1 1, 4.00 23 1 1,
    3.10 21 1 0, 2.39 19 1 1
"""

_VALUES = np.array([row.split() for row in _ROWS.split(",")], np.float64)
X, y = _VALUES[:, :3], _VALUES[:, 3]

COEFFICIENTS = [2.826113, 0.095158, 2.378688]
INTERCEPT = -13.021347
