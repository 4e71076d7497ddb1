"""exp and log1p of the compiled kernels: at most 2 ULP from mpmath, the same bits from every instruction set.

setup.py's flags compile the functions of kernels/vector/simd_math.h into a library of loops over vectors.
"""

from __future__ import annotations

import ast
import ctypes
import functools
import importlib.util
import inspect
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import mpmath
import numpy as np
import pytest
import setuptools
from availability import load_or_explain

from gradstep import processor

CHECKOUT = Path(__file__).parents[1]
HEADER = CHECKOUT / "kernels" / "vector" / "simd_math.h"

pytestmark = pytest.mark.skipif(
    not HEADER.exists(), reason="kernels/vector/simd_math.h is in a checkout, not in a wheel"
)

# restrict, as in the kernel: without it the compiler does not vectorize the loop.
SOURCE = """
#include <stddef.h>
#include "simd_math.h"
#define LOOP(f, real) \\
    void loop_##f(const real *restrict x, real *restrict y, ptrdiff_t count) \\
    { for (ptrdiff_t i = 0; i < count; i++) y[i] = f(x[i]); }
LOOP(exp_of_negative_f64, double)
LOOP(exp_of_negative_f32, float)
LOOP(log1p_of_unit_f64, double)
LOOP(log1p_of_unit_f32, float)
#define log1p_of_product_f64 log1p_of_product
LOOP(log1p_of_product_f64, double)
"""

Function = Callable[[np.ndarray], np.ndarray]

SUFFIXES = {"float64": "f64", "float32": "f32"}
EXACT = {"exp_of_negative": mpmath.exp, "log1p_of_unit": mpmath.log1p}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ctypes.CDLL]:
    """Compile the functions for one instruction set."""
    if sys.platform == "win32":
        pytest.skip("MSVC has other flags; the kernel itself is tested there by the conformance suite")
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    if shutil.which(compiler[0]) is None:
        pytest.skip(f"the C compiler {compiler[0]} is not installed")
    folder = tmp_path_factory.mktemp("simd_math")
    source = folder / "loops.c"
    source.write_text(SOURCE)
    build = flags()

    @functools.cache
    def library(instruction_set: str) -> ctypes.CDLL:
        path = folder / f"{instruction_set}.so"
        options = [*build["FLAGS"], *build["INSTRUCTION_SETS"][instruction_set], f"-I{HEADER.parent}"]
        command = [*compiler, "-shared", "-fPIC", *options, str(source), "-o", str(path)]
        subprocess.run(command, check=True)
        return ctypes.CDLL(str(path))

    return library


def flags() -> dict[str, object]:
    """Run setup.py without building anything and return its variables."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **arguments: None)
        patch.setenv("GRADSTEP_NO_EXTENSIONS", "1")
        return runpy.run_path(str(CHECKOUT / "setup.py"))


@pytest.fixture(params=processor.NAMES)
def library(request: pytest.FixtureRequest, compiled: Callable[[str], ctypes.CDLL]) -> ctypes.CDLL:
    """The functions, compiled for each instruction set that this processor has."""
    load_or_explain("cython")
    if request.param not in processor.supported():
        pytest.skip(f"this processor has no {request.param}")
    return compiled(request.param)


def loop(library: ctypes.CDLL, name: str, x: np.ndarray) -> np.ndarray:
    """Apply a function of the library to each number of a vector."""
    y = np.full_like(x, 7.0)
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in (x, y)]
    getattr(library, f"loop_{name}_{SUFFIXES[x.dtype.name]}")(*pointers, ctypes.c_ssize_t(len(x)))
    return y


@functools.cache
def arguments(name: str, dtype: str) -> np.ndarray:
    """Return the sweep: hard arguments with their neighbours, every binade, and random ones from the whole range."""
    generator = np.random.default_rng(0)
    limits = np.finfo(dtype)
    largest = -float(np.log(limits.smallest_subnormal))
    hard = [0.0, 1e-300, 18.0, 33.3, 37.0, 88.0, 104.0, 700.0, 708.396, 710.0, 745.2, 1e4, 1e308, largest]
    hard.append(-float(np.log(limits.smallest_normal)))
    # Halfway between two multiples of ln 2 the reduction switches from one to the next.
    hard.extend(np.log(2.0) * np.arange(0.5, largest / np.log(2.0)))
    hard.extend(np.log(2.0) * np.arange(1, largest / np.log(2.0)))
    spread = np.concatenate([generator.uniform(0, 40, 4_000), generator.uniform(0, 1.05 * largest, 4_000)])
    binades = generator.uniform(1, 2, 2_000) * 2.0 ** generator.integers(limits.minexp - 20, 11, 2_000)
    with np.errstate(over="ignore"):
        x = near(np.concatenate([hard, spread, binades]).astype(dtype))
    if name == "exp_of_negative":
        return -x
    in_unit = near(np.concatenate([np.exp(-x), binades, generator.random(3_000), [1.0, 0.5, 0.0]]).astype(dtype))
    return in_unit[in_unit <= 1]


def near(x: np.ndarray) -> np.ndarray:
    """Return the distinct non-negative numbers of x, with the neighbours of the first few."""
    few = x[:200]
    below, above = (np.nextafter(few, few.dtype.type(towards)) for towards in (-np.inf, np.inf))
    x = np.unique(np.concatenate([x, below, above]))
    return x[(x >= 0) & np.isfinite(x)]


@functools.cache
def exact(name: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return mpmath's results for the sweep, as the sum of two float64 vectors."""
    with mpmath.workdps(50):
        results = [EXACT[name](mpmath.mpf(float(x))) for x in arguments(name, dtype)]
        high = [float(result) for result in results]
        low = [float(result - h) for result, h in zip(results, high, strict=True)]
    return np.array(high), np.array(low)


def ulps(actual: np.ndarray, name: str) -> np.ndarray:
    """Return the error for each number of the sweep, in units in the last place of the exact result."""
    high, low = exact(name, actual.dtype.name)
    unit = np.spacing(high.astype(actual.dtype)).astype(np.float64)
    return np.abs((actual.astype(np.float64) - high) - low) / unit


def assert_accurate(actual: np.ndarray, name: str) -> None:
    """Compare with mpmath; a result below the smallest normal number may be zero."""
    error = ulps(actual, name)
    below_normal = exact(name, actual.dtype.name)[0] < np.finfo(actual.dtype).smallest_normal
    fine = (error <= 2) | (below_normal & (actual == 0) if name == "exp_of_negative" else False)
    x = arguments(name, actual.dtype.name)
    worst = [f"{name}({float(x[i]).hex()}) is {actual[i]!r}, {error[i]:.3g} ULP off" for i in np.flatnonzero(~fine)[:5]]
    assert fine.all(), "\n".join(worst)


@pytest.mark.parametrize("dtype", SUFFIXES)
@pytest.mark.parametrize("name", EXACT)
def test_accuracy(library, name, dtype):
    x = arguments(name, dtype)
    assert len(x) > 9_000
    assert_accurate(loop(library, name, x), name)


@pytest.mark.parametrize("dtype", SUFFIXES)
@pytest.mark.parametrize("name", EXACT)
def test_three_ulps_are_caught(name, dtype):
    off = exact(name, dtype)[0].astype(dtype)
    with np.errstate(under="ignore"):
        for _ in range(3):
            off = np.nextafter(off, off.dtype.type(2))
    with pytest.raises(AssertionError, match="ULP off"):
        assert_accurate(off, name)


@pytest.mark.parametrize("dtype", SUFFIXES)
@pytest.mark.parametrize("name", EXACT)
def test_same_bits_from_every_instruction_set(library, compiled, name, dtype):
    x = arguments(name, dtype)
    assert loop(library, name, x).tobytes() == loop(compiled("baseline"), name, x).tobytes()


@pytest.mark.parametrize("dtype", SUFFIXES)
@pytest.mark.parametrize("name", EXACT)
def test_nan_and_the_ends(library, name, dtype):
    nans = np.array([np.nan, -np.nan], dtype)
    bits = np.array([0x7FF00001_00000000, 0xFFFFFFFF_FFFFFFFF, 0x7FF80000_00000001], np.uint64).view(np.float64)
    if dtype == "float32":
        bits = np.array([0x7FA00000, 0xFFFFFFFF, 0x7FC00001], np.uint32).view(np.float32)
    with np.errstate(invalid="ignore"):
        every_lane = np.tile(np.concatenate([nans, bits, np.zeros(2, dtype)]), 16)
    result = loop(library, name, every_lane)
    assert (np.isnan(result) == np.isnan(every_lane)).all()
    if name == "exp_of_negative":
        ends = loop(library, name, np.array([0.0, -0.0, -np.inf, np.finfo(dtype).min], dtype))
        assert ends.tolist() == [1.0, 1.0, 0.0, 0.0]
    else:
        assert loop(library, name, np.zeros(9, dtype)).tolist() == [0.0] * 9


def test_the_logarithm_of_a_product(library):
    """For any product of up to 1023 factors of at most 2, minus 1, and at the start of both branches."""
    generator = np.random.default_rng(1)
    products = 2.0 ** generator.uniform(0, 1023, 4_000) - 1
    small = np.exp(-generator.uniform(0, 700, 1_000))
    powers = 2.0 ** np.arange(1, 1023) - 1
    s = near(np.concatenate([[0.0, 1.0, 3.0, 7.0], products[products > 0], small, powers, 1 + generator.random(1_000)]))
    actual = loop(library, "log1p_of_product", s)
    with mpmath.workdps(50):
        exact = [mpmath.log1p(mpmath.mpf(value)) for value in s.tolist()]
        errors = [float(abs(a - e)) / np.spacing(float(e)) for a, e in zip(actual.tolist(), exact, strict=True)]
    assert len(s) > 7_000
    assert max(errors) <= 2, f"log1p({s[np.argmax(errors)].hex()}) is {max(errors):.3g} ULP off"
    assert np.isnan(loop(library, "log1p_of_product", np.array([np.nan]))).all()


@pytest.mark.parametrize("name", EXACT)
def test_accuracy_of_the_numba_kernel(name):
    function = numba_function(name)
    x = arguments(name, "float64")
    assert_accurate(np.array([function(value) for value in x.tolist()]), name)
    assert np.isnan(function(np.nan))


@pytest.mark.parametrize("name", EXACT)
def test_constants_of_the_numba_kernel(name):
    """They equal those of the C function, apart from the small numbers of the formula."""
    text = HEADER.read_text(encoding="utf-8")
    body = text[text.index(f"{name}_f64(double") :]
    body = body[: body.index("\n}\n")]
    in_c = {float.fromhex(literal) for literal in re.findall(r"const double \w+ = (-?0x[0-9a-f.]+p[+-]\d+);", body)}
    assert len(in_c) == {"exp_of_negative": 14, "log1p_of_unit": 10}[name]
    tree = ast.parse(inspect.getsource(numba_function(name).py_func))
    in_python = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is float}
    formula = {0.0, 1.0, 2.0, 1023.0, float.fromhex("0x1.8p+52")}
    # Python has no negative literals; the sign is an operator.
    assert in_python - formula == {abs(value) for value in in_c}


def numba_function(name: str) -> Callable[[float], float]:
    load_or_explain("numba")
    from gradstep.kernels import numba_link

    return getattr(numba_link, name)


@pytest.fixture(scope="module")
def derivation() -> ModuleType:
    """The script that derives the coefficients, run once."""
    spec = importlib.util.spec_from_file_location("derive_coefficients", CHECKOUT / "tools" / "derive_coefficients.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    digits = mpmath.mp.dps
    try:
        spec.loader.exec_module(module)
        blocks = list(module.blocks())
    finally:
        mpmath.mp.dps = digits
        del sys.modules[spec.name]
    module.blocks = lambda: blocks
    return module


def check(derivation: ModuleType, header: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["derive_coefficients.py", "--check", str(header)])
    return derivation.main()


def test_the_header_has_the_derived_coefficients(derivation, monkeypatch, capsys):
    assert check(derivation, HEADER, monkeypatch) == 0, capsys.readouterr().err


def test_a_wrong_digit_in_the_header_is_caught(derivation, monkeypatch, capsys, tmp_path):
    wrong = tmp_path / "simd_math.h"
    text = HEADER.read_text(encoding="utf-8")
    wrong.write_text(text.replace("0x1.a01a012a69052p-13", "0x1.a01a012a69053p-13"), encoding="utf-8")
    assert wrong.read_text(encoding="utf-8") != text
    assert check(derivation, wrong, monkeypatch) == 1
    assert "c7 = 0x1.a01a012a69052p-13" in capsys.readouterr().err
