"""The two passes over a group of rows, for float and double: copies, scores, the link and the sums of rows.

cython_loop.pyx includes this file, and then cython_blocks.pxi, which takes the groups.
"""

cdef extern from "vector/vector_rows.h" nogil:
    const Py_ssize_t WIDE_ROW_BYTES
    void dots_as_f64(
        char kind, const void *x, const void *next, Py_ssize_t stride, const double *w, Py_ssize_t span,
        Py_ssize_t models, Py_ssize_t n, Py_ssize_t count, double *dots, Py_ssize_t dots_span)
    void dots_as_f32(
        char kind, const void *x, const void *next, Py_ssize_t stride, const float *w, Py_ssize_t span,
        Py_ssize_t models, Py_ssize_t n, Py_ssize_t count, float *dots, Py_ssize_t dots_span)
    void add_as_f64(
        char kind, const void *x, const void *next, Py_ssize_t stride, const double *c, Py_ssize_t span,
        Py_ssize_t models, Py_ssize_t n, Py_ssize_t count, double *sums, Py_ssize_t sums_span)
    void add_as_f32(
        char kind, const void *x, const void *next, Py_ssize_t stride, const float *c, Py_ssize_t span,
        Py_ssize_t models, Py_ssize_t n, Py_ssize_t count, float *sums, Py_ssize_t sums_span)
    void copy_columns_as_f64(
        char kind, const void *x, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t rows, double *columns, Py_ssize_t span)
    void copy_columns_as_f32(
        char kind, const void *x, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t rows, float *columns, Py_ssize_t span)
    void copy_rows_as_f64(
        char kind, const void *x, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t rows, double *copy, Py_ssize_t span)
    void copy_rows_as_f32(
        char kind, const void *x, Py_ssize_t stride, Py_ssize_t n, Py_ssize_t rows, float *copy, Py_ssize_t span)
    const Py_ssize_t TOTALS
    void slopes_f64(const double *z, const double *y, Py_ssize_t rows, double *e, double *dz, double *loss)
    void slopes_f32(const float *z, const float *y, Py_ssize_t rows, float *e, float *dz, float *loss)
    void curvatures_f64(
        const double *z, const double *u, const double *y, Py_ssize_t rows, double *e, double *su, double *suu)
    void curvatures_f32(
        const float *z, const float *u, const float *y, Py_ssize_t rows, float *e, float *su, float *suu)
    void add_logarithms_f64(Py_ssize_t rows, double *e, double *loss)
    void add_logarithms_f32(Py_ssize_t rows, float *e, float *loss)
    void weigh_f64(const double *c, Py_ssize_t rows, double *dz, double *loss)
    void weigh_f32(const float *c, Py_ssize_t rows, float *dz, float *loss)
    void add_to_totals_f64(double *dz, double *loss, double *e, Py_ssize_t rows, double *totals)
    void add_to_totals_f32(float *dz, float *loss, float *e, Py_ssize_t rows, float *totals)
    void flush_totals_f64(double *totals, double *sums)
    void flush_totals_f32(float *totals, double *sums)

ctypedef fused real:
    float
    double

cdef enum:
    LANES = 8


cdef struct Group:
    # A few rows of X, which lie by rows or by columns, with the distance of two rows or columns in numbers.
    const char *X
    char kind
    bint by_rows
    Py_ssize_t stride, n, rows
    # The distance of the scratch arrays, which hold one number a row.
    Py_ssize_t span
    # As many rows that are read next, to be prefetched, or NULL; and the same for the second pass.
    const char *next
    const char *next_in_second_pass


cdef Py_ssize_t padded(Py_ssize_t count) noexcept nogil:
    """Return the numbers that fill whole lanes."""
    return (count + LANES - 1) // LANES * LANES


cdef void take_as_columns(Group *group, real *columns) noexcept nogil:
    """Copy rows that are too short to fill the lanes into columns."""
    if real is double:
        copy_columns_as_f64(group.kind, group.X, group.stride, group.n, group.rows, columns, group.span)
    else:
        copy_columns_as_f32(group.kind, group.X, group.stride, group.n, group.rows, columns, group.span)
    group.X = <const char *> columns
    group.kind = c'd' if real is double else c'f'
    group.stride = group.span


cdef void take_aligned(Group *group, real *copy, Py_ssize_t span) noexcept nogil:
    """Copy rows to where each begins at a cache line."""
    if real is double:
        copy_rows_as_f64(group.kind, group.X, group.stride, group.n, group.rows, copy, span)
    else:
        copy_rows_as_f32(group.kind, group.X, group.stride, group.n, group.rows, copy, span)
    group.X = <const char *> copy
    group.stride = span
    if group.kind != c'd' and group.kind != c'f':
        # The next rows are of another type than the copies, by which they would be prefetched.
        group.next = group.next_in_second_pass = NULL
        group.kind = c'd' if real is double else c'f'


cdef void write_scores(
    Group *group, const real *w, const real *b, Py_ssize_t span, Py_ssize_t vectors, real *z,
) noexcept nogil:
    """Write ``w . x + b`` of some rows for each of some vectors w."""
    cdef Py_ssize_t i, j
    if not group.by_rows:
        # The sum of the columns, each times its w.
        for j in range(vectors):
            for i in range(padded(group.rows)):
                z[j * group.span + i] = b[j]
        if real is double:
            add_as_f64(
                group.kind, group.X, NULL, group.stride, w, span, vectors, group.rows, group.n, z, group.span)
        else:
            add_as_f32(
                group.kind, group.X, NULL, group.stride, w, span, vectors, group.rows, group.n, z, group.span)
        return
    if real is double:
        dots_as_f64(
            group.kind, group.X, group.next, group.stride, w, span, vectors, group.n, group.rows, z, group.span)
    else:
        dots_as_f32(
            group.kind, group.X, group.next, group.stride, w, span, vectors, group.n, group.rows, z, group.span)
    for j in range(vectors):
        for i in range(group.rows):
            z[j * group.span + i] += b[j]


cdef void add_rows(
    Group *group, const real *coefficients, Py_ssize_t models, real *dw, Py_ssize_t span, double *out,
) noexcept nogil:
    """Add to the dw of each of some models the sum of some rows, each times its coefficient."""
    cdef Py_ssize_t j
    if group.by_rows:
        if real is double:
            add_as_f64(
                group.kind, group.X, group.next_in_second_pass, group.stride, coefficients, group.span, models, group.n,
                group.rows, dw, span)
        else:
            add_as_f32(
                group.kind, group.X, group.next_in_second_pass, group.stride, coefficients, group.span, models, group.n,
                group.rows, dw, span)
        return
    # The dots of the columns overwrite dw, so it is flushed first. They read whole lanes of the coefficients, hence the
    # zeros behind these.
    for j in range(models):
        flush(dw + j * span, group.n, out + j * (group.n + 2))
    if real is double:
        dots_as_f64(
            group.kind, group.X, NULL, group.stride, coefficients, group.span, models, group.rows, group.n, dw, span)
    else:
        dots_as_f32(
            group.kind, group.X, NULL, group.stride, coefficients, group.span, models, group.rows, group.n, dw, span)


cdef void link_cost(
    const real *z, const real *y, const real *c, const Group *group, real *dz, real *scratch, real *totals,
) noexcept nogil:
    """Write dz, padded with zeros to whole lanes, and add dz and the losses to the totals."""
    cdef Py_ssize_t rows = group.rows
    cdef real *e = scratch
    cdef real *loss = scratch + group.span
    if real is double:
        slopes_f64(z, y, rows, e, dz, loss)
        if c != NULL:
            add_logarithms_f64(rows, e, loss)
            weigh_f64(c, rows, dz, loss)
        add_to_totals_f64(dz, loss, e, rows, totals)
    else:
        slopes_f32(z, y, rows, e, dz, loss)
        if c != NULL:
            add_logarithms_f32(rows, e, loss)
            weigh_f32(c, rows, dz, loss)
        add_to_totals_f32(dz, loss, e, rows, totals)


cdef void link_curvature(
    const real *z, const real *u, const real *y, const real *c, const Group *group, real *su, real *scratch,
    real *totals,
) noexcept nogil:
    """Write s u, padded with zeros to whole lanes, and add s u and s u^2 to the totals."""
    cdef Py_ssize_t rows = group.rows
    cdef real *e = scratch
    cdef real *suu = scratch + group.span
    if real is double:
        curvatures_f64(z, u, y, rows, e, su, suu)
        if c != NULL:
            weigh_f64(c, rows, su, suu)
        add_to_totals_f64(su, suu, e, rows, totals)
    else:
        curvatures_f32(z, u, y, rows, e, su, suu)
        if c != NULL:
            weigh_f32(c, rows, su, suu)
        add_to_totals_f32(su, suu, e, rows, totals)


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
