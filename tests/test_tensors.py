"""Tensors of PyTorch and arrays of JAX: read in place on the CPU, whether or not their gradient is wanted."""

from __future__ import annotations

import numpy as np
import pytest

from gradstep import arrays, gradient, step
from gradstep.rows import Rows

torch = pytest.importorskip("torch", reason="PyTorch is in the extra peers")

X = np.random.default_rng(0).normal(size=(6, 3))
Y = np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0])
W = np.array([0.5, -0.25, 0.125])
WEIGHT = np.array([1.0, 2.0, 0.5, 1.0, 3.0, 1.0])


@pytest.fixture
def jax():
    jax = pytest.importorskip("jax", reason="JAX is in the extra peers")
    with jax.default_device(jax.devices("cpu")[0]):
        yield jax


def bits(result):
    return [np.asarray(part).tobytes() for part in result]


@pytest.mark.parametrize("wanted", [False, True], ids=["plain", "with a gradient"])
def test_tensors_give_the_same_bits(kernel, wanted):
    exact = step(X, Y, W, 0.1, 0.5, sample_weight=WEIGHT, kernel=kernel)
    given, y, w, weight = (torch.tensor(each, requires_grad=wanted) for each in (X, Y, W, WEIGHT))
    assert bits(step(given, y, w, 0.1, 0.5, sample_weight=weight, kernel=kernel)) == bits(exact)
    assert given.requires_grad is wanted
    assert given.grad is None


@pytest.mark.parametrize("wanted", [False, True], ids=["plain", "with a gradient"])
@pytest.mark.parametrize("change", [lambda t: t, lambda t: t.T, lambda t: t[::2], torch.nn.Parameter], ids=range(4))
def test_a_tensor_is_read_in_place(change, wanted):
    tensor = change(torch.tensor(X)).detach().requires_grad_(wanted)
    opened = arrays.opened("X", tensor)
    assert opened.ctypes.data == tensor.data_ptr()
    assert np.array_equal(opened, tensor.detach().numpy())


def test_bfloat16_is_read_as_float32(kernel):
    tensor = torch.tensor(X, dtype=torch.bfloat16, requires_grad=True)
    exact = tensor.detach().float().numpy()
    assert bits(gradient(tensor, Y, W, 0.1, kernel=kernel)) == bits(gradient(exact, Y, W, 0.1, kernel=kernel))


def test_a_large_tensor_of_bfloat16_is_read_by_rows():
    tensor = torch.randn(80_001, 7, generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    y = (torch.arange(80_001) % 2).to(torch.bfloat16)
    opened = arrays.opened("X", tensor)
    assert isinstance(opened, Rows)
    assert opened.dtype == np.float32
    w = np.ones(7)
    exact = gradient(tensor.float().numpy(), y.float().numpy(), w, 0.0)
    for threads in (1, 2):
        assert bits(gradient(tensor, y, w, 0.0, threads=threads)) == bits(exact)


def test_a_view_that_is_only_marked_as_negated():
    pair = torch.complex(torch.ones(6, 3, dtype=torch.float64), torch.tensor(X)).conj()
    assert bits(gradient(pair.imag, Y, W, 0.0)) == bits(gradient(-X, Y, W, 0.0))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (torch.Tensor.to_sparse, "X is a sparse Tensor; it should be dense: pass X.to_dense()"),
        (torch.Tensor.to_sparse_csr, "X is a sparse Tensor; it should be dense: pass X.to_dense()"),
        (lambda t: t.to("meta"), "X is a Tensor on meta; it should be on the CPU: pass X.cpu()"),
        (
            lambda t: t.to(torch.complex64),
            "X has dtype complex64; it should be real numbers (float, integer or bool)",
        ),
    ],
    ids=["sparse", "csr", "elsewhere", "complex"],
)
@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta:UserWarning")
def test_a_tensor_of_another_kind(make, message):
    with pytest.raises(TypeError) as raised:
        gradient(make(torch.tensor(X)), Y, W, 0.0)
    assert str(raised.value) == message


def test_arrays_of_jax_give_the_same_bits(kernel, jax):
    narrow = [each.astype(np.float32) for each in (X, Y, W, WEIGHT)]
    given, y, w, weight = map(jax.numpy.asarray, narrow)
    exact = step(narrow[0], narrow[1], narrow[2], 0.1, 0.5, sample_weight=narrow[3], kernel=kernel)
    assert bits(step(given, y, w, 0.1, 0.5, sample_weight=weight, kernel=kernel)) == bits(exact)


def test_an_array_of_jax_is_read_in_place(jax):
    given = jax.numpy.asarray(X.astype(np.float32))
    assert arrays.opened("X", given).ctypes.data == given.unsafe_buffer_pointer()


def test_bfloat16_of_jax_is_read_as_float32(jax):
    given = jax.numpy.asarray(X, jax.numpy.bfloat16)
    exact = gradient(np.asarray(given).astype(np.float32), Y, W, 0.1)
    assert bits(gradient(given, Y, W, 0.1)) == bits(exact)
    assert bits(gradient(np.asarray(given), Y, W, 0.1)) == bits(exact)


def test_an_array_inside_jit_has_no_values(jax):
    with pytest.raises(TypeError, match=r"^X is a \w+ that cannot be read as an array of real numbers: "):
        jax.jit(lambda given: gradient(given, Y, W, 0.0).J)(X)
