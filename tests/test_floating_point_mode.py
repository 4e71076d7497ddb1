"""No kernel changes the rounding mode of the process or its handling of subnormal numbers."""

from __future__ import annotations

import platform
import sys

import processes
import pytest
from availability import load_or_explain

from gradstep import registry

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="C's fenv.h is reached through libm, which is POSIX")

MODE = """
    import ctypes, ctypes.util, platform, sys, threading
    import numpy as np

    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    # FE_UPWARD of fenv.h.
    UPWARDS = {"x86_64": 0x800, "arm64": 0x400000, "aarch64": 0x400000}.get(platform.machine())
    ON_X86_64_LINUX = sys.platform == "linux" and platform.machine() == "x86_64"

    def environment():
        # Larger than any fenv_t.
        memory = (ctypes.c_uint32 * 64)()
        assert libm.fegetenv(memory) == 0
        return memory

    def mode():
        result = {"rounding": libm.fegetround()}
        for dtype in ("float64", "float32"):
            limits = np.finfo(dtype)
            smallest = np.full(33, limits.smallest_subnormal, dtype)
            normal = np.full(33, limits.smallest_normal, dtype)
            two = np.array(2.0, dtype)
            result[dtype] = bool((smallest * two > 0).all()), bool((normal / two > 0).all())
            result[dtype + " rounded"] = (np.array(1, dtype) / np.array([3, -3], dtype)).tobytes()
        if ON_X86_64_LINUX:
            # glibc's fenv_t is 28 bytes of the x87's state and then MXCSR, whose six lowest bits are flags, not modes.
            result["mxcsr"] = environment()[7] & ~0x3F
            result["x87"] = environment()[0] & 0xFFFF
        return result

    def in_a_thread(function):
        results = []
        thread = threading.Thread(target=lambda: results.append(function()))
        thread.start()
        thread.join()
        return results[0]
"""

CALL_THE_KERNEL = """
    before = mode()
    from gradstep import registry
    kernel = registry.load({name!r})
    numbers = np.random.default_rng(0).standard_normal((33, 17))

    def call(dtype="float64", order="C"):
        X = np.asarray(numbers.astype(dtype), order=order)
        out = np.empty((5, 2, 19))
        y, theta, weight = np.abs(X[:, 0]) % 1, 800 * np.resize(X, (2, 18)), np.abs(X[:, 1])
        kernel.partial_sums(X, y, theta, 7, out, weight)
        kernel.partial_sums(X, y, theta, 7, out, weight, theta)

    def call_all():
        at_first = mode()
        for dtype in ("float64", "float32"):
            for order in ("C", "F"):
                call(dtype, order)
        return at_first, mode()

    assert all(kept for key in ("float64", "float32") for kept in before[key])
    assert call_all() == (before, before)
    assert mode() == before
    assert in_a_thread(call_all) == (before, before)

    # Nor does it reset another rounding mode.
    if UPWARDS is not None:
        assert libm.fesetround(UPWARDS) == 0
        changed = mode()
        assert changed != before
        assert call_all() == (changed, changed)
    print("unchanged")
"""

# Flush-to-zero and denormals-are-zero are these bits of MXCSR.
SPOIL = {
    "rounding": "libm.fesetround(UPWARDS)",
    "subnormal results": "spoil_mxcsr(0x8000)",
    "subnormal operands": "spoil_mxcsr(0x0040)",
}

SPOIL_MXCSR = """
    def spoil_mxcsr(bit):
        spoilt = environment()
        spoilt[7] |= bit
        assert libm.fesetenv(spoilt) == 0

    before = mode()
    {spoil}
    after = mode()
    print(sorted(key for key in before if after[key] != before[key] and key != "mxcsr"))
"""


@pytest.mark.parametrize("name", registry.KERNELS)
def test_kernels_leave_the_mode_alone(name):
    load_or_explain(name)
    assert processes.run(MODE + CALL_THE_KERNEL.format(name=name)) == "unchanged\n"


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="elsewhere MXCSR is not where this test changes it",
)
@pytest.mark.parametrize(
    ("what", "seen"),
    [
        ("rounding", "['float32 rounded', 'float64 rounded', 'rounding', 'x87']"),
        ("subnormal results", "['float32', 'float64']"),
        ("subnormal operands", "['float32', 'float64']"),
    ],
)
def test_a_changed_mode_is_seen(what, seen):
    assert processes.run(MODE + SPOIL_MXCSR.format(spoil=SPOIL[what])).strip() == seen


SUBNORMAL_FLOAT16 = """
    from gradstep import gradient

    def spoil_mxcsr(bit):
        spoilt = environment()
        spoilt[7] |= bit
        assert libm.fesetenv(spoilt) == 0

    def call(X):
        y = np.arange(len(X)) % 2.0
        return [gradient(X, y, np.full(X.shape[1], 1e5), 0.1, kernel={name!r}).J for X in (X, np.asfortranarray(X))]

    numbers = (np.random.default_rng(0).integers(-1023, 1024, (33, 17)) * 2.0**-24).astype("float16")
    assert 0 < abs(numbers).max() < np.finfo("float16").smallest_normal
    shapes = [numbers, numbers[:, :2].copy(), numbers[:, :1].copy(), numbers[:3, :9].copy(), numbers[:1].copy()]
    before = [call(X) for X in shapes]
    spoil_mxcsr(0x8040)
    assert [call(X) for X in shapes] == before
    print("the same")
"""


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="elsewhere MXCSR is not where this test changes it",
)
@pytest.mark.parametrize("build", ["baseline", ""])
@pytest.mark.parametrize("name", registry.KERNELS)
def test_a_subnormal_float16_is_no_zero_where_subnormal_operands_are(name, build):
    """A library that was compiled with -ffast-math sets this mode for the thread that loads it."""
    load_or_explain(name)
    environment = {"GRADSTEP_ISA": build}
    assert processes.run(MODE + SUBNORMAL_FLOAT16.format(name=name), environment) == "the same\n"
