"""The two loops in Cython, as built for the instruction set that `gradstep.processor` chooses for this processor.

The source is cython_loop.pyx, from which setup.py makes one module for each instruction set.
"""

from __future__ import annotations

from gradstep import processor

_build = processor.load_best()

partial_sums = _build.partial_sums
instruction_set = _build.instruction_set
read = _build.read
# The functions for other compiled code, where `cimport`, SciPy and Numba look for them; cython_loop.pxd declares them.
__pyx_capi__ = _build.__pyx_capi__
