# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
# cython: embedsignature=True
"""The two loops, compiled to C ahead of time; both passes run over a few rows while they are in the cache."""

from cpython.buffer cimport (
    PyBUF_CONTIG, PyBUF_FORMAT, PyBUF_ND, PyBUF_STRIDED_RO, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset, strchr

cdef extern from "vector/processor.h" nogil:
    bint processor_has_avx2()
    bint processor_has_avx512()
    bint processor_halves_512_bits()

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
    const bint PREFETCHES
    const Py_ssize_t WIDE_ROW_BYTES
    const Py_ssize_t SHORT_ROW_BYTES
    const Py_ssize_t BYTES_OF_SHORT_ROWS
    const Py_ssize_t LONG_ROWS
    void dots_as_f64(
        char kind, const void *x, const void *next, Py_ssize_t stride, const double *w, Py_ssize_t n, Py_ssize_t count,
        double *dots)
    void dots_as_f32(
        char kind, const void *x, const void *next, Py_ssize_t stride, const float *w, Py_ssize_t n, Py_ssize_t count,
        float *dots)
    void add_as_f64(
        char kind, const void *x, const void *next, Py_ssize_t stride, const double *c, Py_ssize_t n, Py_ssize_t count,
        double *sums)
    void add_as_f32(
        char kind, const void *x, const void *next, Py_ssize_t stride, const float *c, Py_ssize_t n, Py_ssize_t count,
        float *sums)
    void copy_columns_as_f64(
        char kind, const void *x, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t rows, double *columns, Py_ssize_t span)
    void copy_columns_as_f32(
        char kind, const void *x, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t rows, float *columns, Py_ssize_t span)
    const Py_ssize_t TOTALS
    void slopes_f64(const double *z, const double *y, Py_ssize_t rows, double *e, double *dz, double *loss)
    void slopes_f32(const float *z, const float *y, Py_ssize_t rows, float *e, float *dz, float *loss)
    void weigh_f64(const double *c, Py_ssize_t rows, double *e, double *dz, double *loss)
    void weigh_f32(const float *c, Py_ssize_t rows, float *e, float *dz, float *loss)
    void add_to_totals_f64(double *dz, double *loss, double *e, Py_ssize_t rows, double *totals)
    void add_to_totals_f32(float *dz, float *loss, float *e, Py_ssize_t rows, float *totals)
    void flush_totals_f64(double *totals, double *sums)
    void flush_totals_f32(float *totals, double *sums)
    double read_f64(const double *x, Py_ssize_t n)
    double read_f32(const float *x, Py_ssize_t n)

ctypedef fused real:
    float
    double

cdef enum:
    LANES = 8
    # The largest group of rows that goes through both passes together.
    MOST_ROWS = 512
    # The distance of the scratch arrays, which hold one number a row. At exactly 512 numbers a store to one would delay
    # loads from another (4K aliasing).
    SPAN = MOST_ROWS + LANES
    # Rows of at most this many features are first copied into columns, so that eight rows fill the lanes, not one.
    FEW_FEATURES = 3
    # Sums over this many rows have the precision of the computation; they are then added in float64. The product of
    # their 1 + e fits into a double, and each lane's part of it into a float.
    ROWS_PER_FLUSH = 512
    # A smaller X, in bytes, is still in the L2 cache since its last use and needs no prefetch.
    CACHED_BYTES = 1 << 20

instruction_set = INSTRUCTION_SET.decode()

# X of these dtypes is read in place and converted in registers: float16 to float32, the others to float64.
narrow_dtypes = frozenset(["float16", "int8", "uint8", "bool"])


def instruction_sets_of_processor():
    """Return the names of the instruction sets that the processor and operating system support, the best last."""
    names = ["baseline"]
    if processor_has_avx2():
        names.append("avx2")
        if processor_has_avx512():
            names.append("avx512")
    return names


def halves_512_bits():
    """Return whether this processor executes 512-bit operations as two halves."""
    return bool(processor_halves_512_bits())


def partial_sums(X, y, w, double b, Py_ssize_t block_rows, out, sample_weight=None):
    """Write ``[sum dz x, sum dz, sum loss]`` of each block of rows into its row of `out`.

    The contract is in `gradstep.kernels`, the formula in `gradstep.contract`. This kernel follows raw pointers, so it
    checks the arrays and raises ValueError if one breaks the contract.

    Examples
    --------
    >>> import numpy as np
    >>> out = np.empty((1, 4))
    >>> partial_sums(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([0.0, 1.0]), np.zeros(2), 0.0, 2, out)
    >>> out
    array([[-1.        , -1.        ,  0.        ,  1.38629436]])
    """
    # Buffers are acquired by hand: setting up typed memoryviews takes longer than a small problem.
    cdef Py_buffer held[5]
    cdef int n_held = 0
    cdef Py_ssize_t m, n, n_blocks, strides[2]
    cdef char kind_of_X, kind
    cdef const void *c = NULL
    try:
        PyObject_GetBuffer(X, &held[0], PyBUF_STRIDED_RO | PyBUF_FORMAT)
        n_held = 1
        require(held[0].ndim == 2, "X should be 2-D")
        m, n = held[0].shape[0], held[0].shape[1]
        kind_of_X = kind_of(&held[0])
        require(
            kind_of_X != 0 and strchr("dfebB?", kind_of_X) != NULL,
            "X should be of native byte order, and float64, float32, float16, int8, uint8 or bool",
        )
        kind = c'f' if kind_of_X == c'f' or kind_of_X == c'e' else c'd'
        require(block_rows >= 1 and m >= 1 and n >= 1, "block_rows, m and n should be at least 1")
        n_blocks = (m - 1) // block_rows + 1
        # An exporter may leave out the strides of C order.
        strides[0] = n * held[0].itemsize if held[0].strides == NULL else held[0].strides[0]
        strides[1] = held[0].itemsize if held[0].strides == NULL else held[0].strides[1]
        require(
            (m == 1 or strides[0] % held[0].itemsize == 0) and (n == 1 or strides[1] % held[0].itemsize == 0)
            and (m == 1 or n == 1 or strides[0] == held[0].itemsize or strides[1] == held[0].itemsize),
            "X should have unit stride along its rows or its columns, the other a multiple of the size of a number",
        )
        require(is_aligned(&held[0]), "X should be aligned")

        PyObject_GetBuffer(y, &held[1], PyBUF_ND | PyBUF_FORMAT)
        n_held = 2
        require_vector(&held[1], m, kind, "y", "m")
        PyObject_GetBuffer(w, &held[2], PyBUF_ND | PyBUF_FORMAT)
        n_held = 3
        require_vector(&held[2], n, kind, "w", "n")
        PyObject_GetBuffer(out, &held[3], PyBUF_CONTIG | PyBUF_FORMAT)
        n_held = 4
        require(
            held[3].ndim == 2 and held[3].shape[0] == n_blocks and held[3].shape[1] == n + 2
            and kind_of(&held[3]) == c'd' and is_aligned(&held[3]),
            "out should be C-contiguous and aligned float64 of shape (ceil(m / block_rows), n + 2)",
        )
        if sample_weight is not None:
            PyObject_GetBuffer(sample_weight, &held[4], PyBUF_ND | PyBUF_FORMAT)
            n_held = 5
            require_vector(&held[4], m, kind, "sample_weight", "m")
            c = held[4].buf

        with nogil:
            if kind == c'd':
                sum_blocks[double](
                    kind_of_X, <const char *> held[0].buf, strides, held[0].itemsize,
                    <const double *> held[1].buf, <const double *> c, <const double *> held[2].buf, b,
                    m, n, block_rows, <double *> held[3].buf)
            else:
                sum_blocks[float](
                    kind_of_X, <const char *> held[0].buf, strides, held[0].itemsize,
                    <const float *> held[1].buf, <const float *> c, <const float *> held[2].buf, b,
                    m, n, block_rows, <double *> held[3].buf)
    finally:
        for k in range(n_held):
            PyBuffer_Release(&held[k])


def read(x):
    """Return the sum of a contiguous float64 or float32 vector; its time is the read limit.

    Examples
    --------
    >>> import numpy as np
    >>> read(np.arange(10.0))
    45.0
    """
    cdef Py_buffer buffer
    cdef double total
    PyObject_GetBuffer(x, &buffer, PyBUF_ND | PyBUF_FORMAT)
    try:
        require(
            buffer.ndim == 1 and (kind_of(&buffer) == c'd' or kind_of(&buffer) == c'f'),
            "x should be a contiguous vector of float64 or float32",
        )
        with nogil:
            if kind_of(&buffer) == c'd':
                total = read_f64(<const double *> buffer.buf, buffer.shape[0])
            else:
                total = read_f32(<const float *> buffer.buf, buffer.shape[0])
    finally:
        PyBuffer_Release(&buffer)
    return total


cdef int require(bint fine, str message) except -1:
    if not fine:
        raise ValueError(message)
    return 0


cdef char kind_of(Py_buffer *buffer) noexcept nogil:
    """Return the format's letter if the buffer holds plain numbers of native byte order, else 0."""
    cdef const char *letter = buffer.format
    # No format means bytes. NumPy writes "=" before what is misaligned, which is_aligned judges.
    if letter == NULL:
        return c'B'
    if letter[0] == NATIVE_ORDER or letter[0] == c'=':
        letter += 1
    return letter[0] if letter[0] != 0 and letter[1] == 0 else 0


cdef int require_vector(Py_buffer *buffer, Py_ssize_t length, char kind, str name, str shape) except -1:
    if buffer.ndim == 1 and buffer.shape[0] == length and kind_of(buffer) == kind and is_aligned(buffer):
        return 0
    raise ValueError(f"{name} should be contiguous and aligned, of shape ({shape},) and the dtype of the computation")


cdef bint is_aligned(Py_buffer *buffer) noexcept:
    """Whether the numbers of a buffer start at a multiple of their size."""
    return <size_t> buffer.buf % <size_t> buffer.itemsize == 0


cdef int sum_blocks(
    char kind_of_X, const char *X, const Py_ssize_t *strides, Py_ssize_t itemsize,
    const real *y, const real *c, const real *w, double b,
    Py_ssize_t m, Py_ssize_t n, Py_ssize_t block_rows, double *out,
) except -1 nogil:
    """Sum each block in groups of a few rows, which go through both passes while they are in the cache."""
    cdef Py_ssize_t row_stride = strides[0] // itemsize, column_stride = strides[1] // itemsize
    cdef bint by_rows = column_stride == 1 if n > 1 else row_stride != 1
    cdef Py_ssize_t most = rows_at_a_time(n * itemsize) if by_rows else rows_of_columns(n * sizeof(real))
    cdef bint prefetches = (
        PREFETCHES and n * <Py_ssize_t> sizeof(real) <= WIDE_ROW_BYTES and m * n * itemsize > CACHED_BYTES
    )
    cdef Py_ssize_t padded = (n + LANES - 1) // LANES * LANES
    cdef Py_ssize_t numbers = (4 + FEW_FEATURES) * SPAN + TOTALS * LANES + 2 * padded
    cdef void *memory = malloc(numbers * sizeof(real) + 64)
    if memory == NULL:
        with gil:
            raise MemoryError(f"no memory for {numbers} numbers")
    # Aligned to a cache line: loads and stores that straddle two lines take twice as long.
    cdef real *scratch = <real *> ((<size_t> memory + 63) // 64 * 64)
    cdef real *totals = scratch + (4 + FEW_FEATURES) * SPAN
    cdef real *padded_w = totals + TOTALS * LANES
    cdef real *dw = padded_w + padded
    memset(totals, 0, (TOTALS * LANES + 2 * padded) * sizeof(real))
    memcpy(padded_w, w, n * sizeof(real))

    cdef Py_ssize_t block, first, stop, rows, unflushed
    cdef const real *c_first
    cdef const char *group
    cdef const char *next
    for block in range((m - 1) // block_rows + 1):
        first = block * block_rows
        stop = m if m - first < block_rows else first + block_rows
        memset(out, 0, (n + 2) * sizeof(double))
        unflushed = 0
        while first < stop:
            # Flush at fixed rows, whatever the size of a group: that size depends on the dtype, and the bits must not.
            rows = min(most, stop - first, ROWS_PER_FLUSH - unflushed)
            c_first = NULL
            if c != NULL:
                c_first = c + first
            group = X + first * strides[0]
            if not by_rows:
                add_columns(
                    kind_of_X, group, column_stride, y + first, c_first, padded_w, b, n, rows, scratch, totals, dw, out)
            elif n <= FEW_FEATURES:
                add_short_rows(
                    kind_of_X, group, row_stride, y + first, c_first, padded_w, b, n, rows, scratch, totals, dw, out)
            else:
                next = NULL
                if prefetches and first + rows < m:
                    next = group + rows * strides[0]
                add_rows(
                    kind_of_X, group, next, row_stride, y + first, c_first, padded_w, b, n, rows, scratch, totals, dw)
            first += rows
            unflushed += rows
            if unflushed == ROWS_PER_FLUSH or first == stop:
                flush(dw, n, out)
                flush_totals(totals, out + n)
                unflushed = 0
        out += n + 2
    free(memory)
    return 0


cdef Py_ssize_t rows_at_a_time(Py_ssize_t row_bytes) noexcept nogil:
    """Return the number of rows that stay in the cache from the first pass to the second (docs/performance.md)."""
    if row_bytes > WIDE_ROW_BYTES:
        return 8
    if row_bytes > SHORT_ROW_BYTES:
        return LONG_ROWS
    return min(128, max(8, BYTES_OF_SHORT_ROWS // row_bytes // 8 * 8))


cdef Py_ssize_t rows_of_columns(Py_ssize_t row_bytes) noexcept nogil:
    """Return the same for columns, where a large group makes each column one long stream."""
    return min(MOST_ROWS, max(64, 262144 // row_bytes // 8 * 8))


cdef void add_rows(
    char kind, const void *X, const void *next, Py_ssize_t row_stride, const real *y, const real *c, const real *w,
    double b, Py_ssize_t n, Py_ssize_t rows, real *scratch, real *totals, real *dw,
) noexcept nogil:
    """Run both passes over a few rows of a C-ordered X while prefetching as many rows at `next`."""
    cdef real *z = scratch
    cdef real *dz = scratch + SPAN
    cdef Py_ssize_t i
    if real is double:
        dots_as_f64(kind, X, next, row_stride, w, n, rows, z)
    else:
        dots_as_f32(kind, X, next, row_stride, w, n, rows, z)
    for i in range(rows):
        z[i] += <real> b
    add_slopes_and_losses(z, y, c, rows, scratch, totals)
    if real is double:
        add_as_f64(kind, X, next, row_stride, dz, n, rows, dw)
    else:
        add_as_f32(kind, X, next, row_stride, dz, n, rows, dw)


cdef void add_columns(
    char kind, const void *X, Py_ssize_t column_stride, const real *y, const real *c, const real *w, double b,
    Py_ssize_t n, Py_ssize_t rows, real *scratch, real *totals, real *dw, double *out,
) noexcept nogil:
    """Run both passes over a few rows of a Fortran-ordered X: the same functions, with rows and columns exchanged."""
    cdef real *z = scratch
    cdef real *dz = scratch + SPAN
    cdef Py_ssize_t i
    for i in range((rows + LANES - 1) // LANES * LANES):
        z[i] = <real> b
    if real is double:
        add_as_f64(kind, X, NULL, column_stride, w, rows, n, z)
    else:
        add_as_f32(kind, X, NULL, column_stride, w, rows, n, z)
    # row_dots reads whole lanes of dz, hence the zeros after dz. It overwrites dw, so dw is flushed first.
    add_slopes_and_losses(z, y, c, rows, scratch, totals)
    flush(dw, n, out)
    if real is double:
        dots_as_f64(kind, X, NULL, column_stride, dz, rows, n, dw)
    else:
        dots_as_f32(kind, X, NULL, column_stride, dz, rows, n, dw)


cdef void add_short_rows(
    char kind, const void *X, Py_ssize_t row_stride, const real *y, const real *c, const real *w, double b,
    Py_ssize_t n, Py_ssize_t rows, real *scratch, real *totals, real *dw, double *out,
) noexcept nogil:
    """Run both passes over a few rows that are too short to fill the lanes: copy them into columns first."""
    cdef real *columns = scratch + 4 * SPAN
    if real is double:
        copy_columns_as_f64(kind, X, row_stride, n, rows, columns, SPAN)
    else:
        copy_columns_as_f32(kind, X, row_stride, n, rows, columns, SPAN)
    kind = c'd' if real is double else c'f'
    add_columns(kind, columns, SPAN, y, c, w, b, n, rows, scratch, totals, dw, out)


cdef void add_slopes_and_losses(
    const real *z, const real *y, const real *c, Py_ssize_t rows, real *scratch, real *totals,
) noexcept nogil:
    """Write dz after z, padded with zeros to whole lanes, and add dz and the losses to the totals."""
    cdef real *dz = scratch + SPAN
    cdef real *e = scratch + 2 * SPAN
    cdef real *loss = scratch + 3 * SPAN
    if real is double:
        slopes_f64(z, y, rows, e, dz, loss)
        if c != NULL:
            weigh_f64(c, rows, e, dz, loss)
        add_to_totals_f64(dz, loss, e, rows, totals)
    else:
        slopes_f32(z, y, rows, e, dz, loss)
        if c != NULL:
            weigh_f32(c, rows, e, dz, loss)
        add_to_totals_f32(dz, loss, e, rows, totals)


cdef void flush_totals(real *totals, double *sums) noexcept nogil:
    if real is double:
        flush_totals_f64(totals, sums)
    else:
        flush_totals_f32(totals, sums)


cdef void flush(real *dw, Py_ssize_t n, double *out) noexcept nogil:
    """Add dw to the block's sums, which are float64 for every dtype, and clear it."""
    cdef Py_ssize_t j
    for j in range(n):
        out[j] += dw[j]
        dw[j] = 0.0
