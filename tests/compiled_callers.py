"""The functions of cython_loop.pxd as ctypes calls them."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

SIGNATURES = {
    "logistic_gradient_f64": "int (double const *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, double const *, "
    "double const *, double, double const *, double, double, double *, double *, double *)",
    "logistic_gradient_f32": "int (float const *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, float const *, "
    "float const *, double, float const *, double, double, double *, double *, double *)",
    "logistic_sums_f64": "int (double const *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, double const *, "
    "Py_ssize_t, double const *, Py_ssize_t, double const *, double const *, Py_ssize_t, Py_ssize_t, double *)",
    "logistic_sums_f32": "int (float const *, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, float const *, "
    "Py_ssize_t, float const *, Py_ssize_t, float const *, float const *, Py_ssize_t, Py_ssize_t, double *)",
    "logistic_posterior": "double (int, double *, void *)",
}
"""Frozen: code that was compiled against them finds them by name and signature."""

_TYPES = {"int": ctypes.c_int, "double": ctypes.c_double, "Py_ssize_t": ctypes.c_ssize_t}


class Posterior(ctypes.Structure):
    """What logistic_posterior takes as user_data."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("X", "y", "sample_weight")),
        *((name, ctypes.c_ssize_t) for name in ("m", "n", "row_stride", "column_stride")),
        *((name, ctypes.c_double) for name in ("total_weight", "l2", "least_cost")),
    )


def function(build: Any, name: str) -> Any:
    """Return a function of a build's __pyx_capi__ for ctypes, which finds its types in its signature."""
    result, arguments = SIGNATURES[name].rstrip(")").split(" (")
    types = [_TYPES.get(each, ctypes.c_void_p) for each in arguments.split(", ")]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    at = pointer(build.__pyx_capi__[name], SIGNATURES[name].encode())
    return ctypes.CFUNCTYPE(_TYPES[result], *types)(at)


def address(values: np.ndarray | None) -> int | None:
    return None if values is None else values.ctypes.data


def strides(X: np.ndarray) -> tuple[int, int]:
    """Return the distances of two rows and two columns, in numbers."""
    rows, columns = (stride // X.itemsize for stride in X.strides)
    return rows, columns


def suffix(X: np.ndarray) -> str:
    return "f64" if X.dtype == np.float64 else "f32"


def gradient(
    build: Any, X: np.ndarray, y: np.ndarray, weight: np.ndarray | None, w: np.ndarray, b: float, l2: float
) -> tuple[int, float, np.ndarray, float]:
    """Return what logistic_gradient returns and writes."""
    J, dw, db = np.empty(1), np.empty(X.shape[1]), np.empty(1)
    total = float(len(X)) if weight is None else weight.sum(dtype=np.float64)
    code = function(build, f"logistic_gradient_{suffix(X)}")(
        address(X), *X.shape, *strides(X), address(y), address(weight), total, address(w), b, l2,
        address(J), address(dw), address(db),
    )  # fmt: skip
    return code, J.item(), dw, db.item()


def sums(
    build: Any, X: np.ndarray, y: np.ndarray, theta: np.ndarray, block_rows: int,
    weight: np.ndarray | None, direction: np.ndarray | None,
) -> tuple[int, np.ndarray]:  # fmt: skip
    """Return what logistic_sums returns and writes."""
    out = np.full((-(-len(X) // block_rows), len(theta), X.shape[1] + 2), np.nan)
    spans = (0 if values is None or values.ndim == 1 else strides(values)[0] for values in (y, weight))
    code = function(build, f"logistic_sums_{suffix(X)}")(
        address(X), *X.shape, *strides(X), address(y), next(spans), address(weight), next(spans),
        address(theta), address(direction), len(theta), block_rows, address(out),
    )  # fmt: skip
    return code, out
