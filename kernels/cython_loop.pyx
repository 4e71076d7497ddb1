# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: embedsignature=True
"""The two loops, compiled to C ahead of time; both passes run over a few rows while they are in the cache."""

from cpython.buffer cimport (
    PyBUF_CONTIG, PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer,
)
from cpython.pycapsule cimport PyCapsule_GetPointer

import numpy

from gradstep.contract import mask_of

include "cython_passes.pxi"
include "cython_blocks.pxi"

cdef extern from "vector/processor.h" nogil:
    bint processor_has_avx2()
    bint processor_has_avx512()

cdef extern from "vector/vector_rows.h" nogil:
    """
    #if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    #define NATIVE_ORDER '>'
    #else
    #define NATIVE_ORDER '<'
    #endif
    """
    const char *INSTRUCTION_SET
    const char NATIVE_ORDER
    double read_f64(const double *x, Py_ssize_t n)
    double read_f32(const float *x, Py_ssize_t n)

cdef enum:
    # Large enough that only memory counts, as in a block of the engine.
    PART_BYTES = 2 << 20

instruction_set = INSTRUCTION_SET.decode()


def instruction_sets_of_processor():
    """Return the names of the instruction sets that the processor and operating system support, the best last."""
    names = ["baseline"]
    if processor_has_avx2():
        names.append("avx2")
        if processor_has_avx512():
            names.append("avx512")
    return names


# As this build is tuned where nothing else is known.
cdef Tuning PREFETCHING = Tuning(8192, 8, True, False)

include "cython_capi.pxi"


def partial_sums(X, y, theta, block_rows, out, sample_weight=None, direction=None, team=None):
    """Write the sums over each block of rows, for each model, into `out`.

    The contract is in `gradstep.kernels`, the formula in `gradstep.contract`. This kernel follows raw pointers, so it
    checks the arrays and raises ValueError if one breaks the contract.

    With a `team` of `gradstep.team` its helpers take part, and the blocks' sums are added up in the order of
    `gradstep.tree`: ``out[0]`` receives the sums over all rows, and the rest of `out` is scratch.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty((1, 1, 4))
    >>> partial_sums(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0]), np.zeros((1, 3)), 2, out)
    >>> out[0, 0]
    array([-1.        , -1.        ,  0.        ,  1.38629436])
    """
    sum_checked(X, y, theta, block_rows, out, sample_weight, direction, team, &PREFETCHING)


cdef int sum_checked(
    X, y, theta, block_rows, out, sample_weight, direction, team, const Tuning *tuning,
) except -1:
    """Check the arrays and sum, tuned as told."""
    # Buffers are acquired by hand: setting up typed memoryviews takes longer than a small problem.
    cdef Py_buffer held[6]
    cdef int n_held = 0
    cdef int other
    cdef Problem problem
    cdef Work work
    cdef Team *helpers = NULL
    cdef char kind
    cdef int done
    cdef const void *theta_at
    cdef const void *direction_at = NULL
    if team is not None:
        helpers = <Team *> PyCapsule_GetPointer(team, "gradstep.team")
    problem.blocks.next, problem.blocks.marks = 0, NULL
    try:
        take_buffer(X, &held[0], PyBUF_STRIDED_RO | PyBUF_FORMAT, "X")
        n_held = 1
        kind = take_rows(&held[0], &problem)
        problem.block_rows = whole(block_rows)
        require(
            problem.block_rows >= 1 and problem.m >= 1 and problem.n >= 1,
            "block_rows, and the rows and columns of X, should be at least 1",
        )
        problem.tuning = tuning
        problem.blocks.count = (problem.m - 1) // problem.block_rows + 1

        take_buffer(theta, &held[1], PyBUF_ND | PyBUF_FORMAT, "theta")
        n_held = 2
        require(held[1].ndim == 2 and held[1].shape[0] >= 1, "theta should have one row for each model, at least 1")
        problem.k = held[1].shape[0]
        theta_at = take_parameters(&held[1], &problem, kind, "theta")
        take_buffer(out, &held[2], PyBUF_CONTIG | PyBUF_FORMAT, "out")
        n_held = 3
        require(
            held[2].ndim == 3 and held[2].shape[0] == problem.blocks.count and held[2].shape[1] == problem.k
            and held[2].shape[2] == problem.n + 2 and kind_of(&held[2]) == c'd' and is_aligned(&held[2]),
            "out should be C-contiguous and aligned float64 of shape (ceil(m / block_rows), k, n + 2)",
        )
        problem.blocks.sums, problem.blocks.width = <double *> held[2].buf, problem.k * (problem.n + 2)

        take_buffer(y, &held[3], PyBUF_STRIDED_RO | PyBUF_FORMAT, "y")
        n_held = 4
        problem.y = take_by_model(&held[3], &problem, kind, "y", &problem.y_span)
        problem.c, problem.c_span = NULL, 0
        if sample_weight is not None:
            take_buffer(sample_weight, &held[4], PyBUF_STRIDED_RO | PyBUF_FORMAT, "sample_weight")
            n_held = 5
            problem.c = take_by_model(&held[4], &problem, kind, "sample_weight", &problem.c_span)
        if direction is not None:
            take_buffer(direction, &held[n_held], PyBUF_ND | PyBUF_FORMAT, "direction")
            n_held += 1
            direction_at = take_parameters(&held[n_held - 1], &problem, kind, "direction")
        for other in range(n_held):
            require(other == 2 or not overlap(&held[2], &held[other]), "out should share no memory with another array")

        with nogil:
            if helpers != NULL:
                work = Work(&problem, theta_at, direction_at, kind == c'f')
                done = sum_together(helpers, &problem.blocks, do_part, &work)
            elif kind == c'd':
                done = sum_blocks[double](&problem, <const double *> theta_at, <const double *> direction_at)
            else:
                done = sum_blocks[float](&problem, <const float *> theta_at, <const float *> direction_at)
        if done < 0:
            raise MemoryError(f"no memory for the scratch arrays of {problem.k} models with n = {problem.n}")
    finally:
        for held_one in range(n_held):
            PyBuffer_Release(&held[held_one])
    return 0


cdef class Variant:
    """The same function, tuned in another way: the same bits, but another speed."""

    cdef Tuning tuning

    def __call__(self, X, y, theta, block_rows, out, sample_weight=None, direction=None, team=None):
        sum_checked(X, y, theta, block_rows, out, sample_weight, direction, team, &self.tuning)


cdef Variant variant(Tuning tuning):
    cdef Variant made = Variant.__new__(Variant)
    made.tuning = tuning
    return made


variants = {
    f"{instruction_set}-prefetch": partial_sums,
    f"{instruction_set}-prefetch-24k": variant(Tuning(24576, 8, True, True)),
    f"{instruction_set}-plain": variant(Tuning(8192, 32, False, False)),
}


def read(x, team=None):
    """Return the sum of a contiguous float64 or float32 vector; its time is the read limit.

    Examples
    --------
    >>> import numpy as np
    >>> read(np.arange(10.0))
    45.0
    """
    cdef Py_buffer buffer
    cdef Reading reading
    cdef double total
    cdef Team *helpers = NULL
    if team is not None:
        helpers = <Team *> PyCapsule_GetPointer(team, "gradstep.team")
    PyObject_GetBuffer(x, &buffer, PyBUF_ND | PyBUF_FORMAT)
    try:
        require(
            buffer.ndim == 1 and (kind_of(&buffer) == c'd' or kind_of(&buffer) == c'f'),
            "x should be a contiguous vector of float64 or float32",
        )
        reading.x, reading.size, reading.itemsize = <const char *> buffer.buf, buffer.shape[0], buffer.itemsize
        reading.next_part = 0
        with nogil:
            total = sum_in_parts(&reading, helpers)
    finally:
        PyBuffer_Release(&buffer)
    return total


cdef struct Reading:
    const char *x
    Py_ssize_t size, itemsize
    long long next_part
    # The sum of each part of PART_BYTES.
    double *sums


cdef double sum_in_parts(Reading *reading, Team *team) except? -1.0 nogil:
    cdef Py_ssize_t parts = reading.size * reading.itemsize // PART_BYTES + 1, part
    cdef double total = 0.0
    reading.sums = <double *> calloc(parts, sizeof(double))
    if reading.sums == NULL:
        with gil:
            raise MemoryError("no memory for the sums of the parts of x")
    team_do(team, read_parts, reading)
    for part in range(parts):
        total += reading.sums[part]
    free(reading.sums)
    return total


cdef void read_parts(void *context) noexcept nogil:
    """Sum the parts that no other thread of the team claims."""
    cdef Reading *reading = <Reading *> context
    cdef Py_ssize_t length = PART_BYTES // reading.itemsize, part, first, count
    while True:
        part = claim(&reading.next_part)
        first = part * length
        if first >= reading.size:
            return
        count = min(length, reading.size - first)
        if reading.itemsize == sizeof(double):
            reading.sums[part] = read_f64(<const double *> reading.x + first, count)
        else:
            reading.sums[part] = read_f32(<const float *> reading.x + first, count)


cdef char take_rows(Py_buffer *X, Problem *problem) except 0:
    """Check X and note where it lies; return the letter of the type of the computation."""
    cdef Py_ssize_t strides[2]
    require(X.ndim == 2, "X should be 2-D")
    problem.kind = kind_of(X)
    require(
        problem.kind != 0,
        "X should be of native byte order, and float64, float32, float16, int8, uint8 or bool",
    )
    problem.X = <const char *> X.buf
    problem.itemsize = X.itemsize
    problem.m, problem.n = X.shape[0], X.shape[1]
    # An exporter may leave out the strides of C order.
    strides[0] = problem.n * X.itemsize if X.strides == NULL else X.strides[0]
    strides[1] = X.itemsize if X.strides == NULL else X.strides[1]
    require(
        (problem.m <= 1 or strides[0] % X.itemsize == 0) and (problem.n <= 1 or strides[1] % X.itemsize == 0)
        and (problem.m <= 1 or problem.n <= 1 or strides[0] == X.itemsize or strides[1] == X.itemsize),
        "X should have unit stride along its rows or its columns, the other a multiple of the size of a number",
    )
    require(is_aligned(X), "X should be aligned")
    problem.row_stride, problem.column_stride = strides[0] // X.itemsize, strides[1] // X.itemsize
    return c'f' if problem.kind == c'f' or problem.kind == c'e' else c'd'


cdef const void *take_parameters(Py_buffer *values, Problem *problem, char kind, str name) except NULL:
    """Check theta or a direction and return where it lies."""
    if (
        values.ndim == 2 and values.shape[0] == problem.k and values.shape[1] == problem.n + 1
        and kind_of(values) == kind and is_aligned(values)
    ):
        return values.buf
    raise ValueError(
        f"{name} should be C-contiguous and aligned, of shape (k, n + 1) and the dtype of the computation")


cdef const void *take_by_model(
    Py_buffer *values, Problem *problem, char kind, str name, Py_ssize_t *span,
) except NULL:
    """Check labels or weights, note the distance of two models and return where they lie."""
    cdef Py_ssize_t axis = values.ndim - 1
    cdef Py_ssize_t step = values.itemsize if values.strides == NULL or axis < 0 else values.strides[axis]
    cdef bint fine = (
        (axis == 0 or axis == 1 and values.shape[0] == problem.k) and values.shape[axis] == problem.m
        and kind_of(values) == kind and is_aligned(values) and (problem.m == 1 or step == values.itemsize)
    )
    span[0] = 0
    if fine and axis == 1 and problem.k > 1:
        step = problem.m * values.itemsize if values.strides == NULL else values.strides[0]
        span[0] = step // values.itemsize
        fine = step % values.itemsize == 0
    if fine:
        return values.buf
    raise ValueError(
        f"{name} should be aligned, of shape (m,) or (k, m), unit stride along the examples and the dtype of the "
        "computation")


cdef object ndarray = numpy.ndarray


cdef int take_buffer(values, Py_buffer *held, int flags, str name) except -1:
    """Acquire the buffer of an array; raise an error that names it where there is none, or none such as is needed."""
    if type(values) is not ndarray and mask_of(values) is not None:
        raise ValueError(f"{name} should not be masked")
    try:
        PyObject_GetBuffer(values, held, flags)
    except TypeError as error:
        raise TypeError(f"{name} should be an array: {error}") from error
    except (ValueError, BufferError) as error:
        raise ValueError(f"{name} should be readable as the contract says: {error}") from error
    return 0


cdef Py_ssize_t whole(value) except? -1:
    """Return a number of rows."""
    try:
        return value
    except TypeError as error:
        raise TypeError(f"block_rows should be an integer: {error}") from error
    except OverflowError as error:
        raise ValueError(f"block_rows is too large: {error}") from error


cdef int require(bint fine, str message) except -1:
    if not fine:
        raise ValueError(message)
    return 0


cdef char kind_of(Py_buffer *buffer) noexcept nogil:
    """Return the format's letter if the buffer holds numbers that the kernel reads, of native byte order, else 0."""
    cdef const char *letter = buffer.format
    cdef char kind = c'B'
    # No format means bytes. NumPy writes "=" before what is misaligned, which is_aligned judges.
    if letter != NULL:
        if letter[0] == NATIVE_ORDER or letter[0] == c'=':
            letter += 1
        kind = letter[0] if letter[0] != 0 and letter[1] == 0 else 0
    return kind if buffer.itemsize == size_of(kind) else 0


cdef Py_ssize_t size_of(char kind) noexcept nogil:
    """Return the size of a number, -1 for a letter that stands for no number that the kernel reads."""
    if kind == c'd':
        return 8
    if kind == c'f':
        return 4
    if kind == c'e':
        return 2
    return 1 if kind == c'b' or kind == c'B' or kind == c'?' else -1


cdef bint overlap(const Py_buffer *out, const Py_buffer *other) noexcept:
    """Whether two buffers lie in common memory, the second with whatever lies between its numbers."""
    cdef size_t first = <size_t> out.buf
    cdef size_t lowest = <size_t> other.buf
    cdef size_t highest = lowest + <size_t> other.itemsize
    cdef Py_ssize_t axis, length
    if other.strides == NULL:
        highest = lowest + <size_t> other.len
    else:
        for axis in range(other.ndim):
            length = (other.shape[axis] - 1) * other.strides[axis]
            if length < 0:
                lowest -= <size_t> -length
            else:
                highest += <size_t> length
    return lowest < first + <size_t> out.len and first < highest


cdef bint is_aligned(Py_buffer *buffer) noexcept:
    """Whether the numbers of a buffer start at a multiple of their size."""
    return <size_t> buffer.buf % <size_t> buffer.itemsize == 0
