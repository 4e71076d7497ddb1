"""The driver of the Cython kernel: groups of rows, and the two passes of each model over them.

cython_loop.pyx, which checks what it is given, includes this file.
"""

from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

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

cdef extern from "vector/team.h" nogil:
    ctypedef struct Team:
        pass
    ctypedef struct Blocks:
        double *sums
        Py_ssize_t width, count
        long long next
        unsigned char *marks
    void team_do(Team *team, void (*work)(void *context) noexcept nogil, void *context)
    Py_ssize_t claim(long long *next)
    Py_ssize_t claim_block(Blocks *blocks)
    void add_up(Blocks *blocks, Py_ssize_t block)
    int sum_together(Team *team, Blocks *blocks, void (*work)(void *context) noexcept nogil, void *context)

ctypedef fused real:
    float
    double

cdef enum:
    LANES = 8
    # The largest group of rows that goes through both passes together.
    MOST_ROWS = 512
    # Rows of at most so many bytes are short: a tuning says how many bytes of them go together.
    SHORT_ROW_BYTES = 1600
    # Rows of at most this many features are first copied into columns, so that eight rows fill the lanes, not one.
    FEW_FEATURES = 3
    # Sums over this many rows have the precision of the computation; they are then added in float64. The product of
    # their 1 + e fits into a double, and each lane's part of it into a float.
    ROWS_PER_FLUSH = 512
    # A smaller X, in bytes, is still in the L2 cache since its last use. It needs no prefetch, and so many bytes of
    # short rows at a time are best: with 8 KiB a step takes 1.2 times as long.
    CACHED_BYTES = 1 << 20
    BYTES_OF_CACHED_ROWS = 24576
    # So many models go through the passes together: what they share is loaded once, and their scratch fits the cache.
    MODELS_TOGETHER = 4
    # From so many models on, rows that do not begin at cache lines are first copied to where they do: a load that
    # straddles two lines takes twice as long.
    MODELS_TO_COPY_FOR = 4
    # The scratch arrays: z, u and the coefficients of each model, e and the loss, and the columns of short rows.
    SCRATCH = 3 * MODELS_TOGETHER + 2 + FEW_FEATURES


cdef struct Tuning:
    # How many rows go through both passes together: so many bytes of short ones, or so many longer ones. Multiples of
    # eight rows, so that the sums have the same bits in every tuning.
    Py_ssize_t bytes_of_short_rows, long_rows
    # Whether both passes prefetch the rows that come next, so that memory is never idle.
    bint prefetches
    # Whether the first pass prefetches 8 KiB ahead in each of eight rows longer than WIDE_ROW_BYTES.
    bint prefetches_wide_rows


cdef struct Problem:
    const Tuning *tuning
    # X, whose strides are in numbers, and the buffer protocol's letter for its type.
    const char *X
    char kind
    Py_ssize_t itemsize, row_stride, column_stride
    Py_ssize_t m, n, k
    # Labels and weights of the computation's type; the span is the distance of two models in numbers, 0 if they share.
    const void *y
    const void *c
    Py_ssize_t y_span, c_span
    Py_ssize_t block_rows
    Blocks blocks


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


cdef int sum_blocks(Problem *p, const real *theta, const real *direction) noexcept nogil:
    """Sum the blocks that no other thread claims, in groups of a few rows, which go through both passes of all models
    while in the cache.

    Return -1 where there is no memory for the scratch arrays, else 0.
    """
    cdef bint by_rows = p.column_stride == 1 if p.n > 1 else p.row_stride != 1
    cdef bint short_rows = by_rows and p.n <= FEW_FEATURES
    cdef Py_ssize_t most = rows_at_a_time(p) if by_rows else rows_of_columns(p.n * sizeof(real))
    cdef bint wide_rows = p.n * <Py_ssize_t> sizeof(real) > WIDE_ROW_BYTES
    cdef bint prefetches = (
        by_rows and not short_rows and not is_cached(p)
        and (p.tuning.prefetches_wide_rows if wide_rows else p.tuning.prefetches)
    )
    cdef Py_ssize_t span = padded(p.n), vectors_per_model = 1 if direction == NULL else 2
    cdef Py_ssize_t vectors = p.k * vectors_per_model
    cdef Group group
    group.span = distance_of_scratch(min(most, p.m))
    cdef bint copies = by_rows and not short_rows and should_copy(p, span * sizeof(real))
    cdef Py_ssize_t numbers = SCRATCH * group.span + p.k * TOTALS * LANES + (vectors + p.k) * span + padded(vectors)
    if copies:
        numbers += min(most, p.m) * span + LANES
    cdef void *memory = malloc(numbers * sizeof(real) + 64)
    if memory == NULL:
        return -1
    # Aligned to a cache line: loads and stores that straddle two lines take twice as long.
    cdef real *scratch = <real *> ((<size_t> memory + 63) // 64 * 64)
    cdef real *totals = scratch + SCRATCH * group.span
    cdef real *w = totals + p.k * TOTALS * LANES
    cdef real *dw = w + vectors * span
    cdef real *b = dw + p.k * span
    memset(totals, 0, (p.k * TOTALS * LANES + (vectors + p.k) * span) * sizeof(real))
    copy_parameters(p, theta, direction, w, span, b)

    cdef real *columns = scratch + (SCRATCH - FEW_FEATURES) * group.span
    cdef real *copy = b + padded(vectors)
    cdef Py_ssize_t block, first, stop, rows, unflushed, model, models, vector
    cdef double *out
    group.by_rows = by_rows and not short_rows
    group.n = p.n
    while True:
        block = claim_block(&p.blocks)
        if block >= p.blocks.count:
            break
        out = p.blocks.sums + block * p.k * (p.n + 2)
        first = block * p.block_rows
        stop = p.m if p.m - first < p.block_rows else first + p.block_rows
        memset(out, 0, p.k * (p.n + 2) * sizeof(double))
        unflushed = 0
        while first < stop:
            # Flush at fixed rows, whatever the size of a group: that size depends on the dtype, and the bits must not.
            rows = min(most, stop - first, ROWS_PER_FLUSH - unflushed)
            take_group(p, first, rows, p.row_stride if by_rows else p.column_stride, prefetches, wide_rows, &group)
            if short_rows:
                take_as_columns(&group, columns)
            elif copies:
                take_aligned(&group, copy, span)
            model = 0
            while model < p.k:
                models = min(MODELS_TOGETHER, p.k - model)
                vector = model * vectors_per_model
                add_models(
                    p, &group, first, model, models, models * vectors_per_model, w + vector * span, b + vector, span,
                    scratch, totals + model * TOTALS * LANES, dw + model * span, out + model * (p.n + 2))
                group.next = group.next_in_second_pass = NULL
                model += models
            first += rows
            unflushed += rows
            if unflushed == ROWS_PER_FLUSH or first == stop:
                for model in range(p.k):
                    flush(dw + model * span, p.n, out + model * (p.n + 2))
                    flush_totals(totals + model * TOTALS * LANES, out + model * (p.n + 2) + p.n)
                unflushed = 0
        add_up(&p.blocks, block)
    free(memory)
    return 0


cdef struct Work:
    Problem *problem
    const void *theta
    const void *direction
    bint is_float32


cdef void do_part(void *context) noexcept nogil:
    """Do what one thread of a team does."""
    cdef Work *work = <Work *> context
    if work.is_float32:
        sum_blocks[float](work.problem, <const float *> work.theta, <const float *> work.direction)
    else:
        sum_blocks[double](work.problem, <const double *> work.theta, <const double *> work.direction)


cdef void take_group(
    Problem *p, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t stride, bint prefetches, bint wide_rows, Group *group,
) noexcept nogil:
    """Note where some rows lie."""
    cdef Py_ssize_t row_bytes = p.row_stride * p.itemsize
    group.X = p.X + first * row_bytes
    group.kind = p.kind
    group.rows = rows
    group.stride = stride
    group.next = group.X + rows * row_bytes if prefetches and first + rows < p.m else NULL
    group.next_in_second_pass = NULL if wide_rows else group.next


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


cdef bint should_copy(Problem *p, Py_ssize_t row_bytes) noexcept nogil:
    """Whether several models gain from rows that begin at cache lines, and X has none such."""
    cdef bint aligned = <size_t> p.X % 64 == 0 and p.row_stride * p.itemsize % 64 == 0
    cdef bint narrow = p.kind != c'd' and p.kind != c'f'
    return p.k >= MODELS_TO_COPY_FOR and row_bytes <= WIDE_ROW_BYTES and (narrow or not aligned)


cdef Py_ssize_t padded(Py_ssize_t count) noexcept nogil:
    """Return the numbers that fill whole lanes."""
    return (count + LANES - 1) // LANES * LANES


cdef Py_ssize_t distance_of_scratch(Py_ssize_t rows) noexcept nogil:
    """Return the distance of the scratch arrays, which hold one number a row.

    At exactly 512 numbers a store to one would delay loads from another (4K aliasing).
    """
    cdef Py_ssize_t distance = padded(rows) + LANES
    return distance if distance % 512 else distance + LANES


cdef void copy_parameters(
    Problem *p, const real *theta, const real *direction, real *w, Py_ssize_t span, real *b,
) noexcept nogil:
    """Copy the w of the models that go together, padded to whole lanes, and behind them their v; and b and v_b."""
    cdef Py_ssize_t model, at, models
    for model in range(p.k):
        models = min(MODELS_TOGETHER, p.k - model // MODELS_TOGETHER * MODELS_TOGETHER)
        at = model if direction == NULL else model + model // MODELS_TOGETHER * MODELS_TOGETHER
        memcpy(w + at * span, theta + model * (p.n + 1), p.n * sizeof(real))
        b[at] = theta[model * (p.n + 1) + p.n]
        if direction != NULL:
            memcpy(w + (at + models) * span, direction + model * (p.n + 1), p.n * sizeof(real))
            b[at + models] = direction[model * (p.n + 1) + p.n]


cdef Py_ssize_t rows_at_a_time(Problem *p) noexcept nogil:
    """Return the number of rows that stay in the cache from the first pass to the second (docs/performance.md)."""
    cdef Py_ssize_t row_bytes = p.n * p.itemsize
    if row_bytes > WIDE_ROW_BYTES:
        return 8
    if row_bytes > SHORT_ROW_BYTES:
        return p.tuning.long_rows
    cdef Py_ssize_t together = BYTES_OF_CACHED_ROWS if is_cached(p) else p.tuning.bytes_of_short_rows
    return min(128, max(8, together // row_bytes // 8 * 8))


cdef bint is_cached(Problem *p) noexcept nogil:
    return p.m * p.n * p.itemsize <= CACHED_BYTES


cdef Py_ssize_t rows_of_columns(Py_ssize_t row_bytes) noexcept nogil:
    """Return the same for columns, where a large group makes each column one long stream."""
    return min(MOST_ROWS, max(64, 262144 // row_bytes // 8 * 8))


cdef void add_models(
    Problem *p, Group *group, Py_ssize_t first, Py_ssize_t model, Py_ssize_t models, Py_ssize_t vectors,
    const real *w, const real *b, Py_ssize_t span, real *scratch, real *totals, real *dw, double *out,
) noexcept nogil:
    """Run both passes of a few models over a few rows: scores, then the link, then the sums of rows."""
    cdef real *z = scratch
    cdef real *coefficients = scratch + 2 * MODELS_TOGETHER * group.span
    cdef real *rest = scratch + 3 * MODELS_TOGETHER * group.span
    cdef const real *y = <const real *> p.y + model * p.y_span + first
    cdef const real *c = NULL
    cdef const real *u
    cdef Py_ssize_t j
    write_scores(group, w, b, span, vectors, z)
    for j in range(models):
        if p.c != NULL:
            c = <const real *> p.c + (model + j) * p.c_span + first
        if vectors == models:
            link_cost(z, y, c, group, coefficients + j * group.span, rest, totals)
        else:
            u = z + models * group.span
            link_curvature(z, u, y, c, group, coefficients + j * group.span, rest, totals)
        z += group.span
        y += p.y_span
        totals += TOTALS * LANES
    add_rows(group, coefficients, models, dw, span, out)


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
