"""The checks of the kernels that the interpreter runs: whatever they would compute a wrong number with raises."""

from __future__ import annotations

import re

import numpy as np
import pytest
from availability import load_or_explain
from test_kernel_contract import BROKEN, good, masked

# How the names of those end that have too many numbers or too few.
SIZES = {"short", "long", "narrow", "wide", "models"}

WRONG = [name for name in BROKEN if name.startswith(("block_rows", "X without")) or name.split()[-1] in SIZES]


@pytest.mark.parametrize("kernel", ["numpy", "python"])
@pytest.mark.parametrize("broken", WRONG)
def test_what_do_not_allow(kernel, broken):
    arguments = BROKEN[broken](good())
    before = arguments["out"].tobytes()
    with pytest.raises(ValueError, match=r"^(block_rows|theta|y|sample_weight|direction|out)\b.* should be ") as raised:
        load_or_explain(kernel).partial_sums(**arguments)
    assert arguments["out"].tobytes() == before, "out was written to"
    lists = {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in arguments.items()}
    if kernel == "python" and broken not in ("X without rows", "X without columns", "no model"):
        # Lists without rows do not say how many columns they have.
        with pytest.raises(ValueError, match=f"^{re.escape(str(raised.value))}$"):
            load_or_explain(kernel).partial_sums(**lists)


@pytest.mark.parametrize("kernel", ["numpy", "python"])
@pytest.mark.parametrize("name", ["X", "y", "theta", "sample_weight", "direction"])
def test_masked_arguments(kernel, name):
    with pytest.raises(ValueError, match=f"^{name} should not be masked$"):
        load_or_explain(kernel).partial_sums(**(good() | {name: masked(good()[name])}))


@pytest.mark.parametrize("kernel", ["numpy", "python"])
@pytest.mark.parametrize("X", [np.ones(9), np.ones((9, 5, 2)), np.array(1.0)])
def test_other_numbers_of_axes(kernel, X):
    with pytest.raises(ValueError, match="^X should have 2 axes$"):
        load_or_explain(kernel).partial_sums(**(good() | {"X": X}))


@pytest.mark.parametrize("kernel", ["numpy", "python"])
@pytest.mark.parametrize("rows", [2.0, 2.5, "2", None, 0, -1, np.array([2]), np.float64(2.0)], ids=repr)
def test_block_rows_that_are_none(kernel, rows):
    with pytest.raises((TypeError, ValueError), match="^block_rows"):
        load_or_explain(kernel).partial_sums(**(good() | {"block_rows": rows}))


@pytest.mark.parametrize("name", ["X", "theta", "y", "out"])
def test_what_is_no_array(name):
    with pytest.raises(TypeError, match="has no len"):
        load_or_explain("python").partial_sums(**(good() | {name: 1.0}))
