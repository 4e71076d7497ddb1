"""What the Numba kernel sums, as plain numbers: it is read from arrays once, and code in C can hand it on."""

from __future__ import annotations

from typing import Any, NamedTuple

from llvmlite import ir  # type: ignore[import-untyped]  # it has no types, as Numba has none
from numba import types
from numba.extending import intrinsic

from gradstep.kernels.numba_compiler import compiler, vector

_compiled = compiler()


class Layout(NamedTuple):
    """Where an array lies: its address, and its last three axes, of which those that it lacks have length 0."""

    place: int
    axes: int
    first: int
    second: int
    last: int
    first_stride: int
    second_stride: int
    last_stride: int


class Job(NamedTuple):
    """Some rows and models, and where the sums go. Addresses and, unless it says otherwise, distances in bytes."""

    X: int
    row_stride: int
    """In numbers, as is `column_stride`."""
    column_stride: int
    m: int
    n: int
    k: int
    y: int
    y_step: int
    """From one model's labels to the next; 0 if they share."""
    weights: int
    """0 without weights."""
    weights_step: int
    theta: int
    direction: int
    """0 without a direction."""
    block_rows: int
    out: int
    variant: int


NUMBERS_OF_JOB = 16
"""A job takes so many integers of memory, two cache lines."""


def _layout(typing_context: Any, array: Any) -> Any:  # noqa: ARG001 - Numba's signature
    number, axes = types.intp, getattr(array, "ndim", 0)
    layout = types.NamedUniTuple(number, len(Layout._fields), Layout)  # type: ignore[no-untyped-call]

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = context.get_value_type(number)
        if not axes:
            return context.make_tuple(builder, signature.return_type, [integer(0)] * len(Layout._fields))
        of_array = context.make_array(array)(context, builder, arguments[0])
        lengths, strides = (
            [integer(0)] * (3 - axes) + [builder.extract_value(values, axis) for axis in range(axes)]
            for values in (of_array.shape, of_array.strides)
        )
        place = builder.ptrtoint(of_array.data, integer)
        return context.make_tuple(builder, signature.return_type, [place, integer(axes), *lengths, *strides])

    return layout(array), code


layout: Any = intrinsic(_layout)
"""Return the `Layout` of an array, or one of zeros for None; for compiled code. No reference is counted, which would
take a small problem 0.1 microseconds."""


def _call(typing_context: Any, place: Any, arguments: Any) -> Any:  # noqa: ARG001 - Numba's signature
    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:  # noqa: ARG001 - Numba's signature
        integer = context.get_value_type(types.intp)
        function = ir.FunctionType(integer, [integer] * len(arguments))
        pointer = builder.inttoptr(values[0], function.as_pointer())
        return builder.call(pointer, [builder.extract_value(values[1], i) for i in range(len(arguments))])

    return types.intp(types.intp, arguments), code


call: Any = intrinsic(_call)
"""Call the compiled code at an address, which takes and returns integers; for compiled code."""


@_compiled
def write_job(job: Job, place: int) -> None:
    """Write a job to an address."""
    numbers = vector(place, len(job), 0)
    for i in range(len(job)):
        numbers[i] = job[i]


@_compiled
def read_job(place: int) -> Job:
    """Return the job that was written to an address."""
    at = vector(place, NUMBERS_OF_JOB, 0)
    return Job(
        at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], at[8], at[9], at[10], at[11], at[12], at[13], at[14]
    )
