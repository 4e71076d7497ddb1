"""Derives every numerical constant of ``simd_math.h`` and checks that the header holds exactly these.

``python tools/derive_coefficients.py`` prints one block of C declarations per function;
with ``--check kernels/vector/simd_math.h`` it exits with 1 if the header lacks one of them.

The polynomials minimize the largest relative error of the whole function. The second algorithm of Remez (Muller,
"Elementary Functions", 3rd ed., chapter 3) finds them; they are then rounded to the format of the computation. The
error in a block's first line is that of the rounded polynomial.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mpmath import mp

# mpmath has no type hints: an mpf is Any to a type checker.
Real = Any

mp.dps = 60
LN2 = mp.log(2)
GRID_POINTS_PER_TERM = 40
EXCHANGES = 12
# Below this argument the quotients that define the target functions suffer cancellation, and their limit is used.
CANCELS_BELOW = mp.mpf("1e-18")


@dataclass(frozen=True)
class Format:
    """A binary floating-point format and the spelling of its constants in C.

    Attributes
    ----------
    c_type : str
        The C type.
    suffix : str
        The suffix of a literal of that type.
    precision : int
        Bits in the significand.
    hex_digits : int
        Hexadecimal digits of the significand after its leading one.
    decimals : int
        Decimal digits that identify a number uniquely.
    min_exponent : int
        Exponent of the smallest normal number.
    """

    c_type: str
    suffix: str
    precision: int
    hex_digits: int
    decimals: int
    min_exponent: int


F64 = Format("double", "", 53, 13, 17, -1022)
F32 = Format("float", "f", 24, 6, 9, -126)


@dataclass(frozen=True)
class Polynomial:
    """A minimax problem: ``target(x) ~ sum of c[j] * x**j`` with ``terms`` coefficients.

    Attributes
    ----------
    formula : str
        The polynomial's target in the header's words.
    target : Callable
        The function to approximate.
    weight : Callable
        Turns an error of the polynomial into a relative error of the whole function.
    low, high : mpf
        The interval.
    first_power : int
        The number in the first coefficient's name.
    terms : int
        The number of coefficients.
    number_format : Format
        The format of the rounded coefficients.
    """

    formula: str
    target: Callable[[Real], Real]
    weight: Callable[[Real], Real]
    low: Real
    high: Real
    first_power: int
    terms: int
    number_format: Format


def evaluate(coefficients: list[Real], x: Real) -> Real:
    """Evaluate a polynomial whose coefficients are in order of rising power."""
    total = mp.zero
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def weighted_error(problem: Polynomial, coefficients: list[Real], x: Real) -> Real:
    """Return the signed relative error of the whole function at ``x``."""
    return problem.weight(x) * (problem.target(x) - evaluate(coefficients, x))


def chebyshev_points(low: Real, high: Real, count: int) -> list[Real]:
    """Return the ``count`` extrema of a Chebyshev polynomial on ``[low, high]`` in rising order."""
    middle, half = (low + high) / 2, (high - low) / 2
    return [middle - half * mp.cos(mp.pi * i / (count - 1)) for i in range(count)]


def levelled_coefficients(problem: Polynomial, reference: list[Real]) -> list[Real]:
    """Solve for the polynomial whose error alternates with equal magnitude over ``reference``."""
    count = problem.terms + 1
    system, values = mp.matrix(count, count), mp.matrix(count, 1)
    for row, x in enumerate(reference):
        for power in range(problem.terms):
            system[row, power] = x**power
        system[row, problem.terms] = (-1) ** row / problem.weight(x)
        values[row] = problem.target(x)
    solution = mp.lu_solve(system, values)
    return [solution[power] for power in range(problem.terms)]


def sharpen_extremum(error: Callable[[Real], Real], left: Real, right: Real) -> Real:
    """Return the argument of the largest absolute error between two points, by golden section search."""
    ratio = (mp.sqrt(5) - 1) / 2
    for _ in range(30):
        span = ratio * (right - left)
        lower, upper = right - span, left + span
        if abs(error(lower)) > abs(error(upper)):
            right = upper
        else:
            left = lower
    return (left + right) / 2


def error_extrema(problem: Polynomial, coefficients: list[Real]) -> list[Real]:
    """Return the arguments of the largest error between consecutive sign changes, in rising order."""

    def error(x: Real) -> Real:
        return weighted_error(problem, coefficients, x)

    grid = chebyshev_points(problem.low, problem.high, GRID_POINTS_PER_TERM * problem.terms)
    errors = [error(x) for x in grid]
    peaks: list[int] = []
    for i, value in enumerate(errors):
        if value == 0:
            continue
        if not peaks or (value > 0) != (errors[peaks[-1]] > 0):
            peaks.append(i)
        elif abs(value) > abs(errors[peaks[-1]]):
            peaks[-1] = i
    last = len(grid) - 1
    return [grid[i] if i in (0, last) else sharpen_extremum(error, grid[i - 1], grid[i + 1]) for i in peaks]


def minimax(problem: Polynomial) -> list[Real]:
    """Return the unrounded minimax coefficients of ``problem``.

    Raises
    ------
    ArithmeticError
        If the error alternates less often than Chebyshev's theorem requires.
    """
    # The weight vanishes at x = 0, where the leading term is fixed. The asymmetric start keeps the reference away from
    # there, whether 0 is an end of the interval or its middle.
    start = problem.low + (problem.high - problem.low) / 50
    reference = chebyshev_points(start, problem.high, problem.terms + 1)
    for _ in range(EXCHANGES):
        coefficients = levelled_coefficients(problem, reference)
        reference = error_extrema(problem, coefficients)
        if len(reference) != problem.terms + 1:
            raise ArithmeticError(f"{len(reference)} alternations for {problem.terms} terms")
    return coefficients


def round_to(number_format: Format, x: Real, dropped_bits: int = 0) -> Real:
    """Round ``x`` to the nearest number of the format whose last ``dropped_bits`` bits are zero."""
    with mp.workprec(number_format.precision - dropped_bits):
        return +x


def declaration(number_format: Format, name: str, value: Real) -> str:
    """Write one constant in C, in hexadecimal with the decimal value as a comment."""
    mantissa, _, exponent = float(value).hex().partition("p")
    whole, _, digits = mantissa.partition(".")
    digits = digits[: number_format.hex_digits]
    literal = f"{whole}.{digits}p{exponent}{number_format.suffix}"
    decimal = f"{float(value):.{number_format.decimals}g}"
    return f"    const {number_format.c_type} {name} = {literal}; /* {decimal} */"


def polynomial_block(problem: Polynomial) -> str:
    """Solve ``problem`` and write its coefficients in C, with the error after rounding."""
    number_format = problem.number_format
    coefficients = [round_to(number_format, c) for c in minimax(problem)]
    extrema = error_extrema(problem, coefficients)
    worst = max(abs(weighted_error(problem, coefficients, x)) for x in extrema)
    lines = [f"    /* {problem.formula}: relative error 2^{mp.nstr(mp.log(worst, 2), 4)}. */"]
    lines += [declaration(number_format, f"c{problem.first_power + j}", c) for j, c in enumerate(coefficients)]
    return "\n".join(lines)


def reduction_block(number_format: Format) -> str:
    """Write the constants of the reduction modulo ln 2 and the argument below which exp returns zero."""
    # As many zero bits as the largest k has bits, so that k * ln2_high is exact.
    dropped_bits = int(-number_format.min_exponent).bit_length()
    high = round_to(number_format, LN2, dropped_bits)
    with mp.workprec(number_format.precision):
        smallest = +(number_format.min_exponent * LN2)
    if smallest < number_format.min_exponent * LN2:
        # The rounded logarithm is below the exact one; its neighbour towards 0 is the first argument with a normal
        # result.
        smallest += mp.ldexp(1, int(mp.floor(mp.log(-smallest, 2))) - number_format.precision + 1)
    constants = {
        "log2_e": round_to(number_format, 1 / LN2),
        "ln2_high": high,
        "ln2_low": round_to(number_format, LN2 - high),
        "first_normal": smallest,
    }
    return "\n".join(declaration(number_format, name, value) for name, value in constants.items())


def exp_tail(r: Real) -> Real:
    """Return ``(exp(r) - 1 - r) / r**2``."""
    return (mp.expm1(r) - r) / r**2 if abs(r) > CANCELS_BELOW else mp.mpf(1) / 2


def log_tail(z: Real) -> Real:
    """Return ``(log((1 + s) / (1 - s)) - 2 s) / s**3`` where ``z = s**2``."""
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) - 2 * s) / s**3 if z > CANCELS_BELOW else mp.mpf(2) / 3


def log_tail_weight(z: Real) -> Real:
    """Return the relative error of the logarithm for a unit error of ``log_tail``."""
    s = mp.sqrt(z)
    return s**3 / (2 * mp.atanh(s)) if z > 0 else mp.mpf(0)


def exp_polynomial(number_format: Format, terms: int) -> Polynomial:
    """Return the approximation problem for exp on one period of the reduction modulo ln 2."""
    return Polynomial(
        formula="(exp(r) - 1 - r) / r^2 for |r| <= ln(2)/2",
        target=exp_tail,
        weight=lambda r: r**2 * mp.exp(-r),
        low=-LN2 / 2,
        high=LN2 / 2,
        first_power=2,
        terms=terms,
        number_format=number_format,
    )


def log_polynomial(number_format: Format, terms: int) -> Polynomial:
    """Return the approximation problem for log1p on [0, 1], where s = e/(2+e) is at most 1/3."""
    return Polynomial(
        formula="(log((1+s)/(1-s)) - 2 s) / s^3 in z = s^2 <= 1/9",
        target=log_tail,
        weight=log_tail_weight,
        low=mp.mpf(0),
        high=mp.mpf(1) / 9,
        first_power=0,
        terms=terms,
        number_format=number_format,
    )


def blocks() -> Iterator[str]:
    """Yield every block of constants in the order of the header."""
    yield reduction_block(F64)
    yield polynomial_block(exp_polynomial(F64, terms=10))
    yield polynomial_block(log_polynomial(F64, terms=10))
    yield reduction_block(F32)
    yield polynomial_block(exp_polynomial(F32, terms=5))
    yield polynomial_block(log_polynomial(F32, terms=4))


def main() -> int:
    """Print the blocks, or compare them with a header; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", type=Path, metavar="HEADER", help="compare with this header")
    header: Path | None = parser.parse_args().check
    if header is None:
        sys.stdout.write("\n\n".join(blocks()) + "\n")
        return 0
    text = header.read_text(encoding="utf-8")
    missing = [block for block in blocks() if block not in text]
    for block in missing:
        sys.stderr.write(f"{header} lacks:\n{block}\n\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
