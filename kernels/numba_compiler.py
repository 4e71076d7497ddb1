"""How the Numba kernel is compiled, without the GIL and cached on disk where that can be, and what Numba lacks."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]  # it has no types, as Numba has none
from numba import types
from numba.core import cgutils
from numba.core.caching import FunctionCache
from numba.extending import intrinsic, overload
from numba.np.numpy_support import carray

from gradstep.contract import FloatArray, KernelUnavailable, Vector
from gradstep.forks import lock_against_forks

_Function = TypeVar("_Function", bound=Callable[..., Any])

if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]  # Numba sets its attributes from the environment
    raise KernelUnavailable("the numba kernel is not available: NUMBA_DISABLE_JIT is set. Fix: unset it")


# Held while Numba compiles: in the child of a fork that fell into it, Numba's own locks would never be free.
lock_of_compilation = lock_against_forks


def _digest_of_sources() -> str:
    digest = hashlib.blake2b()
    for file in sorted(Path(__file__).parent.glob("numba_*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


_sources = _digest_of_sources()


class _Cache(FunctionCache):
    """Numba's cache of a function on disk, whose failures cost time and nothing else: what it lacks is compiled."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        """Return what machine code is kept by. Numba looks at the file of the function, not at those that it calls."""
        return *super()._index_key(sig, codegen), _sources  # type: ignore[no-untyped-call]  # Numba has no types

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return what was compiled before; None if there is nothing, or it cannot be read."""
        try:
            return super().load_overload(sig, target_context)  # type: ignore[no-untyped-call]  # Numba has no types
        except Exception:  # noqa: BLE001 - a damaged file raises whatever it says
            with contextlib.suppress(Exception):
                # Begin anew: Numba reads the index again before it writes.
                self.flush()  # type: ignore[no-untyped-call]  # Numba has no types
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, if the disk takes it."""
        with contextlib.suppress(Exception):
            super().save_overload(sig, data)  # type: ignore[no-untyped-call]  # Numba has no types


def compiler(**options: Any) -> Callable[[_Function], _Function]:
    """Return a decorator that compiles, with a cache on disk where Numba finds a folder that it can write to."""
    # nogil: the engine runs blocks on several threads.
    # error_model="numpy": no branch for a division by zero, since 1 + e is never zero.
    options = {"nogil": True, "error_model": "numpy", **options}

    def compiled(function: _Function) -> _Function:
        dispatcher: Any = numba.njit(**options)(function)
        # An installation that cannot be written to, and no home: "cannot cache function: no locator available".
        with contextlib.suppress(RuntimeError, OSError):
            # The next process loads the machine code instead of compiling.
            dispatcher._cache = _Cache(function)  # type: ignore[no-untyped-call]  # Numba has no types
        compiled_function: _Function = dispatcher
        return compiled_function

    return compiled


_compiled = compiler()


def size_of(array: FloatArray) -> int:
    """Return the size of a number of an array, known at compile time; for compiled code."""
    raise NotImplementedError(array.dtype)  # Python never calls it: Numba takes the overload below


@overload(size_of, strict=False)
def _size_of(array: Any) -> Any:
    size = array.dtype.bitwidth // 8
    return lambda array: size


def _address(typing_context: Any, array: Any) -> Any:  # noqa: ARG001 - Numba's signature

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        of_array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.ptrtoint(of_array.data, context.get_value_type(signature.return_type))

    return types.intp(array), code


address: Any = intrinsic(_address)
"""Return where the first number of an array lies, for compiled code: `ctypes.data` would count its references."""


@intrinsic
def _pointer(typing_context: Any, address: Any, like: Any) -> Any:  # noqa: ARG001 - Numba's signature
    """Turn an address into a pointer to numbers like one, which Numba has no other way to do."""
    pointer = types.CPointer(like)  # type: ignore[no-untyped-call]  # Numba has no types

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return pointer(types.intp, like), code


@_compiled
def vector(place: int, length: int, like: float) -> Any:
    """Return the memory at an address as a contiguous vector of numbers like one.

    The compiler then knows that neighbours are adjacent, even in slices of a larger array, and compiles one layout.
    """
    return carray(_pointer(place, like), (length,))  # type: ignore[call-arg]  # Numba passes the context itself


@intrinsic
def _prefetch_line(typing_context: Any, address: Any) -> Any:  # noqa: ARG001 - Numba's signature
    """Prefetch the cache line at an address into the L2 cache; an unmapped address does no harm."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # LLVM Language Reference, llvm.prefetch: the address, 0 for reading, the locality (2 is L2), 1 for data.
        number = ir.IntType(32)
        signature = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [cgutils.voidptr_t], signature)
        builder.call(prefetch, [builder.inttoptr(arguments[0], cgutils.voidptr_t), number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(types.intp), code


@_compiled
def prefetch(numbers: FloatArray, start: int, count: int) -> None:
    """Prefetch some numbers, one cache line at a time."""
    first = address(numbers) + start * numbers.itemsize
    for line in range(first, first + count * numbers.itemsize, 64):
        _prefetch_line(line)  # type: ignore[call-arg]  # Numba passes the context itself


@_compiled
def padded(count: int) -> int:
    """Return a number of numbers that starts each of several vectors with a cache line.

    It is more than `count`: at a distance of exactly 4096 bytes a store to one vector would delay loads from another.
    """
    return (count + 16) // 16 * 16


@_compiled
def aligned(length: int) -> Vector:
    """Return a new vector that starts with a cache line: loads and stores across two lines take twice as long."""
    memory = np.empty(length + 8)
    start = -address(memory) % 64 // 8
    return memory[start : start + length]


@_compiled
def copy_rows(source: FloatArray, width: int, target: FloatArray, stride: int) -> None:
    """Copy contiguous rows to rows that are `stride` apart."""
    # Number by number: to assign a slice compiles the text of an error, which takes a second.
    for j in range(len(source) // width):
        for i in range(width):
            target[j * stride + i] = source[j * width + i]
