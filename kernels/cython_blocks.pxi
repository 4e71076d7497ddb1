"""The driver of the Cython kernel: takes each block in groups of rows that stay in the cache through both passes.

cython_loop.pyx, which checks what it is given, includes this file after cython_passes.pxi, which has the passes.
"""

from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

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

cdef enum:
    # The largest group of rows that goes through both passes together.
    MOST_ROWS = 512
    # Rows of at most this many bytes are short: a tuning says how many bytes of them go together.
    SHORT_ROW_BYTES = 1600
    # Rows of at most this many features are first copied into columns, so that eight rows fill the lanes, not one.
    FEW_FEATURES = 3
    # Sums over this many rows have the precision of the computation; they are then added in float64. The product of
    # their 1 + e fits into a double, and each lane's part of it into a float.
    ROWS_PER_FLUSH = 512
    # A smaller X, in bytes, is still in the L2 cache since its last use. It needs no prefetch, and this many bytes of
    # short rows at a time are best: with 8 KiB a step is 1.2× slower.
    CACHED_BYTES = 1 << 20
    BYTES_OF_CACHED_ROWS = 24576
    # This many models go through the passes together: what they share is loaded once, and their scratch fits the cache.
    MODELS_TOGETHER = 4
    # From this many models on, rows that do not begin at cache lines are first copied to where they do: a load that
    # straddles two lines takes twice as long.
    MODELS_TO_COPY_FOR = 4
    # The scratch arrays: z, u and the coefficients of each model, e and the loss, and the columns of short rows.
    SCRATCH = 3 * MODELS_TOGETHER + 2 + FEW_FEATURES


cdef struct Tuning:
    # How many rows go through both passes together: this many bytes of short ones, or this many longer ones. They are
    # multiples of eight rows, so that the sums have the same bits in every tuning.
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


cdef struct Plan:
    # Whether a row's numbers come together; and those rows that are copied first, into columns or to cache lines.
    bint by_rows, short_rows, copies
    bint prefetches, wide_rows
    # The largest number of rows in a group, and the vectors of each model: w, or w and v.
    Py_ssize_t most_rows, vectors_per_model
    # The distance of two vectors or sums, and that of the arrays that hold one number a row.
    Py_ssize_t span, group_span
    # The numbers of memory that all of this takes, and where in it the totals and so on begin.
    Py_ssize_t numbers, columns, totals, w, dw, b, copy


cdef Plan plan_of(Problem *p, Py_ssize_t itemsize, bint directed) noexcept nogil:
    """Decide how the blocks are summed, in numbers of this many bytes."""
    cdef Plan plan
    cdef bint by_rows = p.column_stride == 1 if p.n > 1 else p.row_stride != 1
    plan.short_rows = by_rows and p.n <= FEW_FEATURES
    plan.by_rows = by_rows and not plan.short_rows
    plan.most_rows = min(rows_at_a_time(p) if by_rows else rows_of_columns(p.n * itemsize), p.m)
    plan.wide_rows = p.n * itemsize > WIDE_ROW_BYTES
    plan.prefetches = (
        plan.by_rows and not is_cached(p) and (p.tuning.prefetches_wide_rows if plan.wide_rows else p.tuning.prefetches)
    )
    plan.span = padded(p.n)
    plan.copies = plan.by_rows and should_copy(p, plan.span * itemsize)
    plan.vectors_per_model = 2 if directed else 1
    plan.group_span = distance_of_scratch(plan.most_rows)
    plan.columns = (SCRATCH - FEW_FEATURES) * plan.group_span
    plan.totals = SCRATCH * plan.group_span
    plan.w = plan.totals + p.k * TOTALS * LANES
    plan.dw = plan.w + p.k * plan.vectors_per_model * plan.span
    plan.b = plan.dw + p.k * plan.span
    plan.copy = plan.b + padded(p.k * plan.vectors_per_model)
    plan.numbers = plan.copy + (plan.most_rows * plan.span + LANES if plan.copies else 0)
    return plan


cdef int sum_blocks(Problem *p, const real *theta, const real *direction) noexcept nogil:
    """Sum the blocks that no other thread claims.

    Return -1 where there is no memory for the scratch arrays, else 0.
    """
    cdef Plan plan = plan_of(p, sizeof(real), direction != NULL)
    cdef void *memory = malloc(plan.numbers * sizeof(real) + 64)
    if memory == NULL:
        return -1
    # Aligned to a cache line: loads and stores that straddle two lines take twice as long.
    cdef real *scratch = <real *> ((<size_t> memory + 63) // 64 * 64)
    memset(scratch + plan.totals, 0, (plan.b - plan.totals) * sizeof(real))
    copy_parameters(p, theta, direction, scratch + plan.w, plan.span, scratch + plan.b)
    cdef Py_ssize_t block = claim_block(&p.blocks)
    while block < p.blocks.count:
        sum_block(p, &plan, block, scratch)
        add_up(&p.blocks, block)
        block = claim_block(&p.blocks)
    free(memory)
    return 0


cdef void sum_block(Problem *p, const Plan *plan, Py_ssize_t block, real *scratch) noexcept nogil:
    """Sum a block in groups of a few rows."""
    cdef double *out = p.blocks.sums + block * p.k * (p.n + 2)
    cdef Py_ssize_t first = block * p.block_rows, rows, model, unflushed = 0
    cdef Py_ssize_t stop = p.m if p.m - first < p.block_rows else first + p.block_rows
    memset(out, 0, p.k * (p.n + 2) * sizeof(double))
    while first < stop:
        # Flush at fixed rows, whatever the size of a group: that size depends on the dtype, and the bits must not.
        rows = min(plan.most_rows, stop - first, ROWS_PER_FLUSH - unflushed)
        sum_group(p, plan, first, rows, scratch, out)
        first += rows
        unflushed += rows
        if unflushed == ROWS_PER_FLUSH or first == stop:
            for model in range(p.k):
                flush(scratch + plan.dw + model * plan.span, p.n, out + model * (p.n + 2))
                flush_totals(scratch + plan.totals + model * TOTALS * LANES, out + model * (p.n + 2) + p.n)
            unflushed = 0


cdef void sum_group(
    Problem *p, const Plan *plan, Py_ssize_t first, Py_ssize_t rows, real *scratch, double *out,
) noexcept nogil:
    """Take a few rows through both passes of all models while they are in the cache."""
    cdef Group group
    cdef Py_ssize_t model = 0, models, vector
    take_group(p, plan, first, rows, &group)
    if plan.short_rows:
        take_as_columns(&group, scratch + plan.columns)
    elif plan.copies:
        take_aligned(&group, scratch + plan.copy, plan.span)
    while model < p.k:
        models = min(MODELS_TOGETHER, p.k - model)
        vector = model * plan.vectors_per_model
        add_models(
            p, &group, first, model, models, models * plan.vectors_per_model, scratch + plan.w + vector * plan.span,
            scratch + plan.b + vector, plan.span, scratch, scratch + plan.totals + model * TOTALS * LANES,
            scratch + plan.dw + model * plan.span, out + model * (p.n + 2))
        group.next = group.next_in_second_pass = NULL
        model += models


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
    Problem *p, const Plan *plan, Py_ssize_t first, Py_ssize_t rows, Group *group,
) noexcept nogil:
    """Note where some rows lie."""
    cdef Py_ssize_t row_bytes = p.row_stride * p.itemsize
    group.X = p.X + first * row_bytes
    group.kind = p.kind
    group.by_rows = plan.by_rows
    group.n = p.n
    group.rows = rows
    group.stride = p.row_stride if plan.by_rows or plan.short_rows else p.column_stride
    group.span = plan.group_span
    group.next = group.X + rows * row_bytes if plan.prefetches and first + rows < p.m else NULL
    group.next_in_second_pass = NULL if plan.wide_rows else group.next


cdef bint should_copy(Problem *p, Py_ssize_t row_bytes) noexcept nogil:
    """Whether several models gain from rows that begin at cache lines, and X has none such."""
    cdef bint aligned = <size_t> p.X % 64 == 0 and p.row_stride * p.itemsize % 64 == 0
    cdef bint narrow = p.kind != c'd' and p.kind != c'f'
    return p.k >= MODELS_TO_COPY_FOR and row_bytes <= WIDE_ROW_BYTES and (narrow or not aligned)


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
