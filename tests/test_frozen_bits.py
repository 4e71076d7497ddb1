"""The Cython kernel's results, held to the last bit: version 0.1 keeps them, on every x86-64 processor.

After a change that is meant to change bits, ``python tests/test_frozen_bits.py`` prints the table anew, and the
changelog has a line about it.
"""

from __future__ import annotations

import hashlib
import platform
import sys

import numpy as np
import pytest
from availability import load_or_explain

import gradstep

# m, n, dtype of X, order, weights, number of models: with several blocks, the last one short; at the edges of the
# lanes, of the groups of rows and of what is read column by column; rows of the three widths.
CASES = {
    "blocks": (140_000, 2, "float64", "C", False, 1),
    "one row": (1, 1, "float64", "C", False, 1),
    "short rows": (517, 3, "float64", "C", True, 1),
    "one vector": (130, 8, "float64", "C", False, 1),
    "two vectors": (513, 16, "float32", "C", True, 1),
    "a part of a vector": (1_025, 17, "float64", "C", False, 3),
    "columns": (700, 33, "float64", "F", True, 2),
    "columns of float32": (1_030, 12, "float32", "F", False, 1),
    "long rows": (67, 333, "float64", "C", True, 5),
    "wide rows": (29, 2_001, "float64", "C", False, 2),
    "wide rows of float32": (29, 4_003, "float32", "C", False, 1),
    "float16": (300, 100, "float16", "C", False, 1),
    "uint8": (300, 784, "uint8", "C", True, 1),
}

FROZEN: dict[str, tuple[str, str, str]] = {
    "blocks": ("0x1.657d80140a2a3p-1", "ad26e4d40d8bf58c", "7536ffbec3d51881"),
    "one row": ("0x1.64ece202ee842p-1", "a55459c6aaac7722", "3cd0d732ac2aadbf"),
    "short rows": ("0x1.63d0e474f5486p-1", "bda0b8bcb8607484", "89a1a4018308dd14"),
    "one vector": ("0x1.6ef45d39810a3p-1", "139623dda52bd008", "dd4298066b1dda9c"),
    "two vectors": ("0x1.6b661a6a56442p-1", "6fd2f3604427ceef", "95b84e0345bc5f84"),
    "a part of a vector": ("0x1.78350de591b08p-1", "eb9d250eae16ceaa", "6d31291543084ff7"),
    "columns": ("0x1.7b3fc6daaa3bep-1", "9d47d4f2b41ff691", "435bae03168920cb"),
    "columns of float32": ("0x1.6c01a022cb8abp-1", "cb79d9a880571a1e", "dd4121614643e846"),
    "long rows": ("0x1.0866c705ff869p+0", "dd522dedc4c52a04", "27cced5de3972749"),
    "wide rows": ("0x1.56f414dc9b53ep+1", "de17fa28e0d7d5f6", "d59bab45b31de429"),
    "wide rows of float32": ("0x1.99a4c706396bcp+1", "2d3e9e4fcd8c91bf", "cba7e2d28f90e231"),
    "float16": ("0x1.a5a21396b6eefp-1", "8d7a487a2796eb75", "bfd02cd5ff4249bc"),
    "uint8": ("0x1.4710356e75795p+5", "5ab52d8cd6ef2e62", "97f6478fe0ac06bb"),
}
"""The first model's J, and the starts of the SHA-256 of all of J, dw and db, and of the products with the Hessian."""


def integers(count: int, shift: int) -> np.ndarray:
    """Return integers from 0 to 100 without a pattern that matters, the same on every machine."""
    steps = np.arange(count, dtype=np.uint64) + np.uint64(shift)
    return (steps * steps * np.uint64(2_654_435_761) >> np.uint64(13)) % np.uint64(101)


def problem(m: int, n: int, dtype: str, order: str, weighted: bool, k: int):
    """Return X, y, theta, a direction and weights, all of them multiples of powers of two."""
    scale = 1.0 if dtype == "uint8" else 0.0625
    X = ((integers(m * n, 1) - (0.0 if dtype == "uint8" else 50.0)) * scale).reshape(m, n).astype(dtype, order=order)
    y = (integers(m * k, 2) % 3 * 0.5).reshape(m, k)
    theta = ((integers(n * k + k, 3) - 50.0) * 2.0**-9).reshape(n + 1, k)
    direction = ((integers(n * k + k, 4) - 50.0) * 2.0**-7).reshape(n + 1, k)
    weight = (integers(m, 5) + 1.0) * 0.25 if weighted else None
    return X, y, theta, direction, weight


def digest(*arrays: object) -> str:
    return hashlib.sha256(b"".join(np.asarray(each).tobytes() for each in arrays)).hexdigest()[:16]


def results(m: int, n: int, dtype: str, order: str, weighted: bool, k: int) -> tuple[str, str, str]:
    X, y, theta, direction, weight = problem(m, n, dtype, order, weighted, k)
    J, dw, db = gradstep.gradient(X, y, theta[:-1], theta[-1], sample_weight=weight, l2=0.125, kernel="cython")
    products = [
        gradstep.objective(X, y[:, j], sample_weight=weight, kernel="cython").hessp(theta[:, j], direction[:, j])
        for j in range(k)
    ]
    return float(J[0]).hex(), digest(J, dw, db), digest(*products)


@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"), reason="only builds for x86-64 promise the same bits"
)
@pytest.mark.parametrize("name", CASES)
def test_frozen(name):
    load_or_explain("cython")
    assert results(*CASES[name]) == FROZEN[name]


if __name__ == "__main__":
    for case, arguments in CASES.items():
        sys.stdout.write(f'    "{case}": {results(*arguments)!r},\n'.replace("'", '"'))
