"""The conformance suite catches every planted wrong kernel and passes right ones."""

from __future__ import annotations

import conformance
import conformance_models
import planted
import planted_models
import pytest
from conformance import CHECKS

BY_NAME = {check.__name__: check for check in CHECKS}
WRONG = planted.WRONG + planted_models.WRONG


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_right_kernel_passes(check):
    check(planted.RIGHT)


# check_example requires 1e-15 of our own kernels, which is stricter than the bounds.
@pytest.mark.parametrize(
    "check", [c for c in CHECKS if c is not conformance.check_example], ids=lambda check: check.__name__
)
def test_a_kernel_that_is_as_rough_as_the_bounds_allow_passes(check):
    check(planted.ROUGH)


@pytest.mark.parametrize(("kernel", "check"), WRONG, ids=lambda value: getattr(value, "name", value))
def test_a_wrong_kernel_is_caught(kernel, check):
    with pytest.raises(AssertionError):
        BY_NAME[check](kernel)


def test_every_check_can_fail():
    """A kernel that writes zeros fails every numerical check; each other check has its own wrong kernel."""

    def zeros(X, y, theta, block_rows, out, sample_weight=None, direction=None):
        out[:] = 0.0

    kernel = planted.PlantedKernel("zeros", zeros)
    caught = {check.__name__ for check in CHECKS if _fails(check, kernel)}
    caught |= {check for _, check in WRONG}
    assert caught | {"check_no_warning", "check_no_warning_along_a_direction"} == set(BY_NAME)


def test_a_warning_is_caught():
    def warns(X, y, theta, block_rows, out, *rest):
        planted.RIGHT.partial_sums(X, y, theta, block_rows, out, *rest)
        out[..., -1] += (X @ theta[:, :-1].T * 1e10).max() * 0.0

    with pytest.raises((RuntimeWarning, AssertionError)):
        conformance.check_no_warning(planted.PlantedKernel("overflows loudly", warns))
    with pytest.raises((RuntimeWarning, AssertionError)):
        conformance_models.check_no_warning_along_a_direction(planted_models.LOUD)


def _fails(check, kernel) -> bool:
    try:
        check(kernel)
    except AssertionError:
        return True
    return False
