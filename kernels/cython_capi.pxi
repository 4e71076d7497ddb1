"""The functions for other compiled code: plain C types, no Python, the same sums and the same bits.

cython_loop.pyx includes this file; cython_loop.pxd declares and documents what other modules see of it.
"""

from libc.math cimport INFINITY, NAN, exp, isfinite

cdef enum:
    SUCCESS = 0
    BAD_ARGUMENT = 1
    NO_MEMORY = 2
    NOT_FINITE = 3
    # As in gradstep.blocks and gradstep.block_sums.
    BLOCK_BYTES = 2 << 20
    BLOCK_TO_SUMS = 64
    TURN_BYTES = 1 << 20


cdef struct Posterior:
    const double *X
    const double *y
    const double *sample_weight
    Py_ssize_t m, n, row_stride, column_stride
    double total_weight, l2, least_cost


cdef api int logistic_sums_f64(
    const double *X, Py_ssize_t m, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride,
    const double *y, Py_ssize_t y_stride, const double *sample_weight, Py_ssize_t weight_stride,
    const double *theta, const double *direction, Py_ssize_t k, Py_ssize_t block_rows, double *out,
) noexcept nogil:
    return write_sums[double](
        X, m, n, row_stride, column_stride, y, y_stride, sample_weight, weight_stride, theta, direction, k, block_rows,
        out)


cdef api int logistic_sums_f32(
    const float *X, Py_ssize_t m, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride,
    const float *y, Py_ssize_t y_stride, const float *sample_weight, Py_ssize_t weight_stride,
    const float *theta, const float *direction, Py_ssize_t k, Py_ssize_t block_rows, double *out,
) noexcept nogil:
    return write_sums[float](
        X, m, n, row_stride, column_stride, y, y_stride, sample_weight, weight_stride, theta, direction, k, block_rows,
        out)


cdef api int logistic_gradient_f64(
    const double *X, Py_ssize_t m, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride,
    const double *y, const double *sample_weight, double total_weight,
    const double *w, double b, double l2, double *J, double *dw, double *db,
) noexcept nogil:
    return write_gradient[double](
        X, m, n, row_stride, column_stride, y, sample_weight, total_weight, w, b, l2, J, dw, db)


cdef api int logistic_gradient_f32(
    const float *X, Py_ssize_t m, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride,
    const float *y, const float *sample_weight, double total_weight,
    const float *w, double b, double l2, double *J, double *dw, double *db,
) noexcept nogil:
    return write_gradient[float](
        X, m, n, row_stride, column_stride, y, sample_weight, total_weight, w, b, l2, J, dw, db)


cdef api double logistic_posterior(int length, double *theta, void *user_data) noexcept nogil:
    cdef Posterior *p = <Posterior *> user_data
    cdef double J, db
    if p == NULL or theta == NULL or length < 2 or length != p.n + 1:
        return NAN
    cdef double *dw = <double *> malloc(p.n * sizeof(double))
    if dw == NULL:
        return NAN
    cdef int code = logistic_gradient_f64(
        p.X, p.m, p.n, p.row_stride, p.column_stride, p.y, p.sample_weight, p.total_weight, theta, theta[p.n], p.l2,
        &J, dw, &db)
    free(dw)
    return exp(p.total_weight * (p.least_cost - J)) if code == SUCCESS else NAN


cdef int write_sums(
    const real *X, Py_ssize_t m, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride,
    const real *y, Py_ssize_t y_stride, const real *sample_weight, Py_ssize_t weight_stride,
    const real *theta, const real *direction, Py_ssize_t k, Py_ssize_t block_rows, double *out,
) noexcept nogil:
    cdef Problem problem
    if (
        k < 1 or block_rows < 1 or theta == NULL or not is_at_number(theta) or not is_at_number(direction)
        or not is_place(out)
        or not take_examples(X, m, n, row_stride, column_stride, y, sample_weight, &problem)
    ):
        return BAD_ARGUMENT
    problem.k, problem.y_span, problem.c_span = k, y_stride, weight_stride
    problem.block_rows, problem.blocks.count = block_rows, (m - 1) // block_rows + 1
    problem.blocks.sums, problem.blocks.width = out, k * (n + 2)
    return NO_MEMORY if sum_blocks(&problem, theta, direction) < 0 else SUCCESS


cdef bint take_examples(
    const real *X, Py_ssize_t m, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride, const real *y,
    const real *sample_weight, Problem *problem,
) noexcept nogil:
    """Note where the examples lie; return whether this keeps the contract, as far as pointers show it."""
    problem.tuning = &PREFETCHING
    problem.blocks.next, problem.blocks.marks = 0, NULL
    problem.X, problem.y, problem.c = <const char *> X, y, sample_weight
    problem.kind, problem.itemsize = c'd' if real is double else c'f', sizeof(real)
    problem.m, problem.n = m, n
    problem.row_stride, problem.column_stride = row_stride, column_stride
    return (
        m >= 1 and n >= 1 and X != NULL and y != NULL and is_at_number(X) and is_at_number(y)
        and is_at_number(sample_weight) and (m == 1 or n == 1 or row_stride == 1 or column_stride == 1)
    )


cdef bint is_at_number(const real *at) noexcept nogil:
    """Whether an address is a multiple of the size of its numbers."""
    return <size_t> at % sizeof(real) == 0


cdef bint is_place(double *at) noexcept nogil:
    """Whether results can be written there."""
    return at != NULL and <size_t> at % sizeof(double) == 0


cdef int write_gradient(
    const real *X, Py_ssize_t m, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride, const real *y,
    const real *sample_weight, double total_weight, const real *w, double b, double l2, double *J, double *dw,
    double *db,
) noexcept nogil:
    cdef Problem problem
    cdef double squares = 0.0
    cdef Py_ssize_t j
    if (
        not take_examples(X, m, n, row_stride, column_stride, y, sample_weight, &problem) or w == NULL
        or not is_at_number(w) or not 0.0 < total_weight < INFINITY or not 0.0 <= l2 < INFINITY
        or not (is_place(J) and is_place(dw) and is_place(db))
    ):
        return BAD_ARGUMENT
    problem.k, problem.y_span, problem.c_span = 1, 0, 0
    problem.block_rows = rows_of_a_block(m, n, sizeof(real))
    cdef double *sums = add_blocks(&problem, w, b)
    if sums == NULL:
        return NO_MEMORY
    for j in range(n):
        dw[j] = sums[j] / total_weight
    db[0], J[0] = sums[n] / total_weight, sums[n + 1] / total_weight
    free(sums)
    if l2 > 0.0:
        for j in range(n):
            dw[j] += l2 * <double> w[j]
            squares += <double> w[j] * <double> w[j]
        J[0] += 0.5 * l2 * squares
    cdef bint finite = isfinite(J[0]) and isfinite(db[0])
    for j in range(n):
        finite = finite and isfinite(dw[j])
    return SUCCESS if finite else NOT_FINITE


cdef Py_ssize_t rows_of_a_block(Py_ssize_t m, Py_ssize_t n, Py_ssize_t itemsize) noexcept nogil:
    """Return the rows of a block, as `gradstep.blocks.block_rows` does; a small problem is a single block."""
    if m <= BLOCK_BYTES // itemsize // n:
        return m
    cdef Py_ssize_t rows = max((BLOCK_TO_SUMS * (n + 2) * 8 - 1) // (n * itemsize) + 1, BLOCK_BYTES // (n * itemsize))
    return (rows + 7) // 8 * 8


cdef double *add_blocks(Problem *whole, const real *w, double b) noexcept nogil:
    """Return the sums over all rows, added in the order of `gradstep.tree`, or NULL where there is no memory.

    Each turn sums the blocks of one node of the tree. Of the earlier nodes at most one a level is kept: one for each 1
    in the binary form of the number of turns.
    """
    cdef Problem turn = whole[0]
    cdef Py_ssize_t n = whole.n, width = whole.n + 2, number = 0, first = 0, levels = 1, blocks = 1, left, j
    cdef Py_ssize_t n_blocks = (whole.m - 1) // whole.block_rows + 1
    while 2 * blocks * width * 8 <= TURN_BYTES and blocks < n_blocks:
        blocks *= 2
    while (n_blocks // blocks) >> levels:
        levels += 1
    cdef double *nodes = <double *> malloc((blocks + levels + 1) * width * sizeof(double))
    cdef real *theta = <real *> malloc((n + 1) * sizeof(real))
    if nodes == NULL or theta == NULL:
        free(nodes)
        free(theta)
        return NULL
    memcpy(theta, w, n * sizeof(real))
    theta[n] = <real> b
    turn.blocks.sums, turn.blocks.width = nodes + (levels + 1) * width, width
    while first < n_blocks:
        left = min(blocks, n_blocks - first)
        take_blocks(whole, first, left, &turn)
        if sum_blocks(&turn, <const real *> theta, <const real *> NULL) < 0:
            free(nodes)
            free(theta)
            return NULL
        fold(turn.blocks.sums, left, width)
        join(nodes, width, number, turn.blocks.sums)
        first += left
        number += 1
    free(theta)
    add_nodes(nodes, width, number)
    return nodes


cdef void take_blocks(Problem *whole, Py_ssize_t first, Py_ssize_t blocks, Problem *turn) noexcept nogil:
    """Note where some blocks of a problem of one model lie."""
    cdef Py_ssize_t row = first * whole.block_rows
    turn.m = min(blocks * whole.block_rows, whole.m - row)
    turn.blocks.count, turn.blocks.next = blocks, 0
    turn.X = whole.X + row * whole.row_stride * whole.itemsize
    turn.y = <const char *> whole.y + row * whole.itemsize
    if whole.c != NULL:
        turn.c = <const char *> whole.c + row * whole.itemsize


cdef void fold(double *sums, Py_ssize_t blocks, Py_ssize_t width) noexcept nogil:
    """Add up consecutive blocks, the first of which begins a node; the sum takes its place."""
    cdef Py_ssize_t step = 1, i
    while step < blocks:
        i = 0
        while i + step < blocks:
            add_to(sums + i * width, sums + (i + step) * width, width)
            i += 2 * step
        step *= 2


cdef void join(double *nodes, Py_ssize_t width, Py_ssize_t number, double *node) noexcept nogil:
    """Join a node to the left halves that wait for it, and let the result wait in turn."""
    cdef Py_ssize_t level = 0
    while number >> level & 1:
        add_to(node, nodes + level * width, width)
        level += 1
    memcpy(nodes + level * width, node, width * sizeof(double))


cdef void add_nodes(double *nodes, Py_ssize_t width, Py_ssize_t number) noexcept nogil:
    """Add up the nodes that wait, from the last one on; the sum takes the place of the first."""
    cdef Py_ssize_t level = 0, total
    while not number >> level & 1:
        level += 1
    total = level
    while number >> level > 1:
        level += 1
        if number >> level & 1:
            add_to(nodes + total * width, nodes + level * width, width)
    if total > 0:
        memcpy(nodes, nodes + total * width, width * sizeof(double))


cdef void add_to(double *sums, const double *others, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(width):
        sums[j] += others[j]
