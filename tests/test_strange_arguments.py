"""Arguments that are no arrays or numbers of ours: masked, sparse, ragged, lazy, text, complex, of several elements."""

from __future__ import annotations

import decimal
import fractions
from typing import Any

import numpy as np
import pyarrow
import pytest
import scipy.sparse

from gradstep import fit, gradient, objective, step

# Short descents on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::gradstep.ConvergenceWarning")

X = [[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5], [0.0, 1.0]]
Y = [0.0, 1.0, 1.0, 0.0]
W = [0.5, -0.5]
ONES = [1.0, 1.0, 1.0, 1.0]


def masked(values: Any, index: Any) -> np.ma.MaskedArray:
    """Return the values with one of them masked, and nonsense behind the mask."""
    array = np.ma.array(values, mask=False)
    array[index] = 9999.0
    array[index] = np.ma.masked
    return array


def call(name: str, value: Any, kernel: Any = "auto") -> None:
    """Hand one argument over, in a call that takes it."""
    given = {"X": X, "y": Y, "w": W, "b": 0.0, "sample_weight": ONES}
    if name == "theta":
        objective(X, Y, kernel=kernel)(value)
    elif name in ("w0", "b0", "tol"):
        fit(X, Y, kernel=kernel, **{name: value})
    elif name == "alpha":
        step(X, Y, W, 0.0, value, kernel=kernel)
    else:
        gradient(**(given | {name: value}), kernel=kernel)


VECTORS = {"y": Y, "w": W, "sample_weight": ONES, "w0": W, "theta": [0.5, -0.5, 0.0]}
SCALARS = ("b", "l2", "alpha", "tol", "b0")


@pytest.mark.parametrize("name", VECTORS)
def test_a_masked_value_of_a_vector(name):
    with pytest.raises(ValueError, match=rf"^{name} is masked at index 1; "):
        call(name, masked(VECTORS[name], 1))
    call(name, np.ma.array(VECTORS[name], mask=False))
    call(name, np.ma.array(VECTORS[name]))


def test_a_masked_value_of_X():
    for form in (masked(X, (2, 0)), masked(np.array(X, order="F"), (2, 0)), list(masked(X, (2, 0)))):
        with pytest.raises(ValueError, match=r"^X is masked at index \(2, 0\); "):
            call("X", form)
    unmasked = np.ma.array(X, mask=False)
    assert gradient(unmasked, Y, W, 0.0).J == gradient(X, Y, W, 0.0).J
    assert gradient(list(unmasked), Y, W, 0.0).J == gradient(X, Y, W, 0.0).J


class Reader:
    """An array of a library that returns a masked array where NumPy asks for an array, as netCDF4 does."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return self.values


class Interface:
    """An array whose interface has a mask."""

    def __init__(self, values: np.ma.MaskedArray) -> None:
        self.values = values
        self.__array_interface__ = {**values.data.__array_interface__, "mask": np.ma.getmaskarray(values)}


class Hidden(np.ndarray):
    """An array with a mask of its own, as Astropy has."""

    mask: Any


def hidden(values: np.ma.MaskedArray) -> Hidden:
    array = values.data.view(Hidden)
    array.mask = np.ma.getmaskarray(values)
    return array


@pytest.mark.parametrize("form", [Reader, Interface, hidden])
@pytest.mark.parametrize("name", ["X", *VECTORS])
def test_what_hides_values_in_another_way(name, form):
    values, index, where = (X, (2, 0), r"\(2, 0\)") if name == "X" else (VECTORS[name], 1, "1")
    with pytest.raises(ValueError, match=rf"^{name} is masked at index {where}; "):
        call(name, form(masked(values, index)))
    call(name, form(np.ma.array(values)))


class OfDask:
    """Puts its work off, and drops masks where NumPy asks for an array, as Dask's arrays do."""

    __module__ = "dask.array.core"

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.dtype, self.shape, self.ndim = values.dtype, values.shape, values.ndim

    def compute(self) -> np.ndarray:
        return self.values

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self.values)


class OfXarray(OfDask):
    """Exports itself as a table with a row for each number, as xarray's arrays do."""

    __module__ = "xarray.core.dataarray"

    @property
    def data(self) -> OfDask:
        return OfDask(self.values)

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return pyarrow.table({"values": np.ravel(self.values)}).__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("form", [OfDask, OfXarray])
@pytest.mark.parametrize("name", ["X", *VECTORS])
def test_arrays_of_dask_and_xarray(name, form):
    values, index, where = (X, (2, 0), r"\(2, 0\)") if name == "X" else (VECTORS[name], 1, "1")
    with pytest.raises(ValueError, match=rf"^{name} is masked at index {where}; "):
        call(name, form(masked(values, index)))
    call(name, form(np.array(values)))
    assert gradient(form(np.array(X)), form(np.array(Y)), W, 0.0).J == gradient(X, Y, W, 0.0).J


def test_masked_values_in_lists():
    row = masked([1.0, 2.0], 1)
    with pytest.raises(ValueError, match=r"^X is masked at index \(1, 1\); "):
        call("X", [[1.0, 2.0], row, [1.0, 2.0], np.ma.array([1.0])])
    with pytest.raises(ValueError, match="^y is masked at index 2; "):
        call("y", [0, 1, np.ma.array(1, mask=True), 0])
    for number in (1, True, np.float32(1.0)):
        rows = [[number, True], [np.ma.array(number, mask=True), True], [True, True], [True, True]]
        with pytest.raises(ValueError, match=r"^X is masked at index \(1, 0\); "):
            call("X", rows)


def test_masked_values_of_what_a_list_holds():
    with pytest.raises(ValueError, match=r"^X is masked at index \(1, 1\); "):
        call("X", [Reader(np.array([1.0, 2.0])), Reader(masked([1.0, 2.0], 1)), [1.0, 2.0], [1.0, 2.0]])
    with pytest.raises(ValueError, match="^y is masked at index 3; "):
        call("y", [0, 1, 1, Reader(np.ma.array(1, mask=True))])
    rows = [Reader(np.array(row)) for row in X]
    assert gradient(rows, Y, W, 0.0).J == gradient(X, Y, W, 0.0).J


@pytest.mark.parametrize("name", ["max_iter", "threads"])
def test_a_masked_count(name):
    with pytest.raises(TypeError, match=f"^{name} is a MaskedArray; it should be an integer$"):
        fit(X, Y, **{name: np.ma.array(5, mask=True)})


@pytest.mark.parametrize("values", [[[1.0], [1.0, 2.0]], [1.0, [2.0]], (np.ma.masked, 1.0), {1.0: 2.0}, range(3)])
@pytest.mark.parametrize("name", ["b", "l2", "alpha", "b0"])
def test_strange_numbers_of_several_models(name, values):
    labels, w = np.transpose([Y, Y]), np.ones((2, 2))
    given = {"b": [0.0, 0.0], "alpha": 0.1} | ({} if name == "b0" else {name: values})
    with pytest.raises((TypeError, ValueError), match=rf"^{name}\b"):
        fit(X, labels, b0=values) if name == "b0" else step(X, labels, w, **given)


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize(
    "value",
    [
        "1",
        b"1",
        np.str_("1"),
        np.array("1"),
        1 + 2j,
        np.complex128(1 + 2j),
        np.complex64(1),
        np.array(1 + 0j),
        np.array([1.0]),
        [1.0],
        np.timedelta64(1, "s"),
        np.datetime64("2020-01-01"),
        np.ma.masked,
        masked([1.0], 0)[0],
        None,
    ],
    ids=repr,
)
def test_what_is_not_one_real_number(name, value):
    with pytest.raises((TypeError, ValueError), match=f"^{name} is "):
        call(name, value)


@pytest.mark.parametrize("name", ["b", "l2", "alpha", "tol"])
def test_two_numbers_for_a_single_model(name):
    with pytest.raises((TypeError, ValueError), match=f"^{name} is "):
        call(name, np.array([1.0, 2.0]))


@pytest.mark.parametrize("name", SCALARS)
def test_numbers_of_every_kind(name):
    kinds = [1, 1.0, True, np.float32(1), np.float16(1), np.longdouble(1), np.int8(1), np.bool_(True), np.array(1.0)]
    for value in (*kinds, np.array(1), np.ma.array(1.0), fractions.Fraction(1), decimal.Decimal(1)):
        call(name, value)


@pytest.mark.parametrize("name", SCALARS)
def test_an_integer_beyond_float64(name):
    with pytest.raises(ValueError, match=f"^{name} is a int; it is too large for a float64$"):
        call(name, 10**400)


@pytest.mark.parametrize("value", ["False", None, 2, 1.0, [], np.ma.masked, np.array([True, False])], ids=repr)
def test_what_is_neither_true_nor_false(value):
    for function, given in ((gradient, (W, 0.0)), (step, (W, 0.0, 0.1)), (fit, ()), (objective, ())):
        with pytest.raises(TypeError, match="^fit_intercept is .*; it should be True or False$"):
            function(X, Y, *given, fit_intercept=value)
    for form in (False, np.False_, 0):
        assert objective(X, Y, fit_intercept=form)(W)[1].shape == (2,)


@pytest.mark.parametrize("value", ["False", None, 2, np.array([True])], ids=repr)
def test_progress_that_is_neither_true_nor_false(value):
    with pytest.raises(TypeError, match="^progress is .*; it should be True or False$"):
        fit(X, Y, progress=value)


@pytest.mark.parametrize("value", [3, "print", True])
def test_a_callback_that_cannot_be_called(value):
    with pytest.raises(TypeError, match="^callback is .*; it should be a function, or None$"):
        fit(X, Y, callback=value, max_iter=0)


@pytest.mark.parametrize("value", [fractions.Fraction(-1, 10**400), decimal.Decimal("-1e-400")], ids=["1", "2"])
def test_a_negative_penalty_that_is_rounded_to_zero(value):
    with pytest.raises(ValueError, match="^l2 is -0.0; it should be at least 0 and finite$"):
        call("l2", value)
    assert gradient(X, Y, W, 0.0, l2=-0.0).J == gradient(X, Y, W, 0.0).J


def test_w_of_another_byte_order_keeps_its_dtype():
    w = np.array([0.1, -0.1])
    expected = gradient(np.float32(X), Y, w, 0.0, l2=1.0)
    found = gradient(np.float32(X), Y, w.astype(w.dtype.newbyteorder()), 0.0, l2=1.0)
    assert (found.J, found.dw.tolist(), found.dw.dtype) == (expected.J, expected.dw.tolist(), np.float64)


@pytest.mark.parametrize("form", [scipy.sparse.csr_matrix, scipy.sparse.csc_array, scipy.sparse.coo_array])
def test_sparse_matrices(form):
    sparse = form(np.array(X))
    with pytest.raises(TypeError) as raised:
        call("X", sparse)
    assert str(raised.value) == f"X is a sparse {form.__name__}; it should be dense: pass X.toarray()"


def test_ragged_lists():
    with pytest.raises(ValueError) as raised:
        call("X", [[1.0, 2.0], [3.0], [1.0, 2.0], [1.0, 2.0]])
    assert str(raised.value) == "X has 1 values at index 1 and 2 at index 0; its rows should be alike"
    with pytest.raises(ValueError, match=r"^y has 2 values at index 3 and 1 at index 0; its rows should be alike$"):
        call("y", [0.0, 1.0, 1.0, [0.0, 1.0]])
    with pytest.raises(ValueError, match="^X "):
        call("X", [[[1.0], 2.0], [3.0, 4.0], [1.0, 2.0], [1.0, 2.0]])


class Lazy:
    """Counts how often it is asked for its values."""

    def __init__(self, values: Any) -> None:
        self._values = values
        self.asked = 0

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        self.asked += 1
        return np.array(self._values, dtype)


def test_lazy_arrays_are_asked_once():
    lazy = {"X": Lazy(X), "y": Lazy(Y), "sample_weight": Lazy(ONES), "w0": Lazy(W)}
    fit(**lazy, max_iter=3)
    assert {name: values.asked for name, values in lazy.items()} == dict.fromkeys(lazy, 1)
    w = Lazy(W)
    step(X, Y, w, 0.0, 0.1)
    assert w.asked == 1


@pytest.mark.parametrize(("m", "n", "k"), [(1, 1, 1), (5, 3, 1), (40, 8, 1), (30, 21, 3), (9, 700, 1), (2000, 20, 2)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_byte_of_a_bool_is_true_unless_it_is_0(kernel, m, n, k, order):
    """A mask of 0 and 255 looked at as bools, as images have it."""
    generator = np.random.default_rng(0)
    masks = [generator.choice(np.uint8([0, 1, 2, 255]), shape) for shape in ((m, n), (m, k), (m, k))]
    masks[2][0] = 1
    w, b = generator.standard_normal((n, k)), generator.standard_normal(k)
    X, y, weight = (np.asarray(mask, order=order).view(bool) for mask in masks)
    plain = [np.asarray(mask != 0, order=order) for mask in masks]
    found = gradient(X, y, w, b, sample_weight=weight, kernel=kernel)
    expected = gradient(plain[0], plain[1], w, b, sample_weight=plain[2], kernel=kernel)
    assert found.J.tolist() == expected.J.tolist()
    assert found.dw.tolist() == expected.dw.tolist()
