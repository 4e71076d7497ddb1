/* The two passes over a few rows, eight features at a time: dot products with w, and sums of rows for dw.
 *
 * vector_rows.h includes this file once for each type of X. ELEMENT and ROWS(f) belong to the type of X, REAL and
 * NAME(f) to the type of the computation. A narrow X is converted to REAL as it is loaded, so it costs only its own
 * width in memory traffic. w and dw are padded to a whole number of lanes (w with zeros). x is not padded: load_part
 * loads its last lanes and never touches a byte past the row.
 */

#define VECTOR NAME(lanes)

/* Both passes prefetch the next rows, so that memory is never idle: the first pass three quarters of their numbers, the
 * second pass the last quarter. A pass that has read `done` numbers of the current rows and is about to read `numbers`
 * more prefetches the corresponding part of its share. */
INLINE void ROWS(prefetch_in_first_pass)(const ELEMENT *next, ptrdiff_t done, ptrdiff_t numbers)
{
    if (next != NULL)
        prefetch((const char *)(next + done * 3 / 4), numbers * (ptrdiff_t)sizeof(ELEMENT) * 3 / 4);
}

INLINE void ROWS(prefetch_in_second_pass)(const ELEMENT *next, ptrdiff_t done, ptrdiff_t numbers)
{
    if (next != NULL)
        prefetch((const char *)(next + done / 4), numbers * (ptrdiff_t)sizeof(ELEMENT) / 4);
}

/* Adds to one accumulator of each row and model the products of the vectors at j, which `load_x` loads. A vector that
 * more than one product needs is loaded once. */
#define ADD_PRODUCTS(j, k, load_x)                                                                                     \
    do {                                                                                                               \
        VECTOR w_j[TILE];                                                                                              \
        for (int model = 0; model < models; model++) {                                                                 \
            w_j[model] = NAME(load)(w + model * span + (j));                                                           \
            if (rows > 1)                                                                                              \
                HOLD(w_j[model]);                                                                                      \
        }                                                                                                              \
        for (int row = 0; row < rows; row++) {                                                                         \
            VECTOR x_j = load_x(x + row * stride + (j));                                                               \
            if (models > 1)                                                                                            \
                HOLD(x_j);                                                                                             \
            for (int model = 0; model < models; model++)                                                               \
                sum[row][model][k] = NAME(add)(sum[row][model][k], NAME(multiply)(x_j, w_j[model]));                   \
        }                                                                                                              \
    } while (0)
#define PART(address) ROWS(load_part)(address, n - whole)

/* Adds the products of the columns from `first` up to `last` to the four accumulators of each row and model:
 * state[4 * (8 * model + row) + k]. They hide the latency of an addition, three or four cycles. The numbers of rows,
 * models and chains are compile-time constants; `chains` accumulators are computed together, which changes no bit.
 * `first` is a multiple of four vectors, and so is `last` unless it is n. The rows start after the first `done` numbers
 * of their group; unless `next` is NULL, a group of the same size there is read later. */
INLINE void ROWS(add_products)(const ELEMENT *x, ptrdiff_t stride, int rows, int models, int chains,
    const ELEMENT *next, ptrdiff_t done, const REAL *w, ptrdiff_t span, ptrdiff_t n, ptrdiff_t first, ptrdiff_t last,
    VECTOR *state)
{
    const ptrdiff_t whole = n / LANES * LANES;
    const ptrdiff_t unrolled = (last < whole ? last : whole) / (4 * LANES) * (4 * LANES);
    for (int chain = 0; chain < 4; chain += chains) {
        VECTOR sum[ROWS_PER_LOAD > TILE ? ROWS_PER_LOAD : TILE][TILE][4];
        for (int row = 0; row < rows; row++)
            for (int model = 0; model < models; model++)
                for (int k = 0; k < chains; k++)
                    sum[row][model][k] = first == 0 ? NAME(all)(0) : state[4 * (8 * model + row) + chain + k];
        for (ptrdiff_t j = first; j < unrolled; j += 4 * LANES) {
            if (chain == 0)
                ROWS(prefetch_in_first_pass)(next, done + rows * j, rows * 4 * LANES);
            for (int k = 0; k < chains; k++)
                ADD_PRODUCTS(j + (chain + k) * LANES, k, ROWS(load));
        }
        if (chain == 0 && last == n)
            for (ptrdiff_t j = unrolled; j < whole; j += LANES) {
                ROWS(prefetch_in_first_pass)(next, done + rows * j, rows * LANES);
                ADD_PRODUCTS(j, 0, ROWS(load));
            }
        if (chain <= 1 && 1 < chain + chains && last == n && whole < n)
            ADD_PRODUCTS(whole, 1 - chain, PART);
        for (int row = 0; row < rows; row++)
            for (int model = 0; model < models; model++)
                for (int k = 0; k < chains; k++)
                    state[4 * (8 * model + row) + chain + k] = sum[row][model][k];
    }
}

/* The lanes whose sum is x . w, from the four accumulators of a product. */
INLINE VECTOR ROWS(product)(const VECTOR *state)
{
    return NAME(add)(NAME(add)(state[0], state[1]), NAME(add)(state[2], state[3]));
}

/* Computes for each of a few rows and models the lanes whose sum is x . w: p[8 * model + row]. */
INLINE void ROWS(products)(const ELEMENT *x, ptrdiff_t stride, int rows, int models, int chains, const ELEMENT *next,
    ptrdiff_t done, const REAL *w, ptrdiff_t span, ptrdiff_t n, VECTOR *p)
{
    VECTOR state[4 * 8 * TILE];
    ROWS(add_products)(x, stride, rows, models, chains, next, done, w, span, n, 0, n, state);
    for (int model = 0; model < models; model++)
        for (int row = 0; row < rows; row++)
            p[8 * model + row] = ROWS(product)(state + 4 * (8 * model + row));
}

/* Does the same as add_products for eight rows longer than WIDE_ROW_BYTES, which share each load of w; that pays when w
 * does not stay in the L1 cache. A product has one accumulator, state[4 * (8 * model + row)]. Unless `next` is NULL,
 * each row is prefetched PREFETCH_DISTANCE ahead. */
INLINE void ROWS(add_products_of_wide_rows)(const ELEMENT *x, ptrdiff_t stride, int models, const ELEMENT *next,
    const REAL *w, ptrdiff_t span, ptrdiff_t n, ptrdiff_t first, ptrdiff_t last, VECTOR *state)
{
    enum { rows = 8 };
    VECTOR sum[rows][TILE][1];
    for (int row = 0; row < rows; row++)
        for (int model = 0; model < models; model++)
            sum[row][model][0] = first == 0 ? NAME(all)(0) : state[4 * (8 * model + row)];
    const ptrdiff_t whole = n / LANES * LANES;
    const ptrdiff_t stop = last < whole ? last : whole;
    ptrdiff_t j = first;
#define PREFETCHED(address) (prefetch((const char *)(address) + PREFETCH_DISTANCE, 1), ROWS(load)(address))
    for (; next != NULL && j < stop; j += LANES)
        ADD_PRODUCTS(j, 0, PREFETCHED);
#undef PREFETCHED
    for (; j < stop; j += LANES)
        ADD_PRODUCTS(j, 0, ROWS(load));
    if (last == n && whole < n)
        ADD_PRODUCTS(whole, 0, PART);
    for (int row = 0; row < rows; row++)
        for (int model = 0; model < models; model++)
            state[4 * (8 * model + row)] = sum[row][model][0];
}
#undef PART
#undef ADD_PRODUCTS

/* dots[k] = x_k . w for `count` rows x_k of n numbers, where x_k is at x + k * stride and w is padded with zeros.
 * Writes `dots` up to the next multiple of eight. Unless `next` is NULL, as many rows there are read later. */
static void ROWS(row_dots)(const ELEMENT *x, const ELEMENT *next, ptrdiff_t stride, const REAL *w, ptrdiff_t n,
    ptrdiff_t count, REAL *RESTRICT dots)
{
    const VECTOR w_first = NAME(load)(w), w_second = n > LANES ? NAME(load)(w + LANES) : NAME(all)(0);
    for (ptrdiff_t k = 0; k < count; k += 8, x += 8 * stride) {
        const ptrdiff_t rows = count - k < 8 ? count - k : 8;
        VECTOR p[8];
        ptrdiff_t row = 0;
        if (n == LANES) {
            for (; row < rows; row++)
                p[row] = NAME(multiply)(ROWS(load)(x + row * stride), w_first);
        } else if (n < LANES) {
            for (; row < rows; row++)
                p[row] = NAME(multiply)(ROWS(load_part)(x + row * stride, n), w_first);
        } else if (n <= 2 * LANES) {
            for (; row < rows; row++) {
                ROWS(prefetch_in_first_pass)(next, (k + row) * stride, 2 * LANES);
                p[row] = NAME(mix)(ROWS(load)(x + row * stride), w_first,
                    ROWS(load_part)(x + row * stride + LANES, n - LANES), w_second);
            }
        } else if (n * (ptrdiff_t)sizeof(REAL) > WIDE_ROW_BYTES && rows == 8) {
            VECTOR state[4 * 8];
            ROWS(add_products_of_wide_rows)(x, stride, 1, next, w, 0, n, 0, n, state);
            for (; row < 8; row++)
                p[row] = state[4 * row];
        }
        if (next == NULL)
            for (; row + ROWS_PER_LOAD <= rows; row += ROWS_PER_LOAD)
                ROWS(products)(x + row * stride, stride, ROWS_PER_LOAD, 1, 4, NULL, 0, w, 0, n, p + row);
        for (; row < rows; row++)
            ROWS(products)(x + row * stride, stride, 1, 1, 4, next, (k + row) * stride, w, 0, n, p + row);
        for (; row < 8; row++)
            p[row] = NAME(all)(0);
        NAME(sum_lanes_of_8)(p, dots + k);
    }
}

/* Computes the lanes of the dots of up to eight rows with one or two models, p[8 * model + row]. */
INLINE void ROWS(products_of_8)(const ELEMENT *x, ptrdiff_t stride, ptrdiff_t rows, int models, const ELEMENT *next,
    ptrdiff_t done, const REAL *w, ptrdiff_t span, ptrdiff_t n, VECTOR *p)
{
    ptrdiff_t row = 0;
    for (; row + TILE <= rows; row += TILE)
        ROWS(products)(x + row * stride, stride, TILE, models, CHAINS, next, done + row * stride, w, span, n, p + row);
    if (row < rows)
        ROWS(products)(x + row * stride, stride, 1, models, CHAINS, next, done + row * stride, w, span, n, p + row);
}

/* Adds to their accumulators the products of up to eight rows with one or two models, for some columns. */
INLINE void ROWS(add_products_of_8)(const ELEMENT *x, ptrdiff_t stride, ptrdiff_t rows, int models, const ELEMENT *next,
    ptrdiff_t done, const REAL *w, ptrdiff_t span, ptrdiff_t n, ptrdiff_t first, ptrdiff_t last, VECTOR *state)
{
    if (n * (ptrdiff_t)sizeof(REAL) > WIDE_ROW_BYTES && rows == 8) {
        ROWS(add_products_of_wide_rows)(x, stride, models, next, w, span, n, first, last, state);
        return;
    }
    ptrdiff_t row = 0;
    for (; row + TILE <= rows; row += TILE)
        ROWS(add_products)(x + row * stride, stride, TILE, models, CHAINS, next, done + row * stride, w, span, n, first,
            last, state + 4 * row);
    if (row < rows)
        ROWS(add_products)(x + row * stride, stride, 1, models, CHAINS, next, done + row * stride, w, span, n, first,
            last, state + 4 * row);
}

/* Computes the lanes of the dots of up to eight rows with some models, p[8 * model + row]. A few columns at a time go
 * through all models while they are in the L1 cache. The models take turns in prefetching. */
static void ROWS(products_by_columns)(const ELEMENT *x, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t models,
    const ELEMENT *next, ptrdiff_t done, const REAL *w, ptrdiff_t span, ptrdiff_t n, VECTOR *p)
{
    VECTOR state[4 * 8 * MOST_VECTORS];
    const int wide = n * (ptrdiff_t)sizeof(REAL) > WIDE_ROW_BYTES && rows == 8;
    for (ptrdiff_t first = 0; first < n; first += COLUMNS_AT_A_TIME) {
        const ptrdiff_t last = n - first < COLUMNS_AT_A_TIME ? n : first + COLUMNS_AT_A_TIME;
        const ptrdiff_t turn = first / COLUMNS_AT_A_TIME % ((models + 1) / 2) * 2;
        ptrdiff_t model = 0;
        for (; model + 2 <= models; model += 2)
            ROWS(add_products_of_8)(x, stride, rows, 2, model == turn ? next : NULL, done, w + model * span, span, n,
                first, last, state + 4 * 8 * model);
        if (model < models)
            ROWS(add_products_of_8)(x, stride, rows, 1, model == turn ? next : NULL, done, w + model * span, span, n,
                first, last, state + 4 * 8 * model);
    }
    for (ptrdiff_t at = 0; at < 8 * models; at++)
        p[at] = wide ? state[4 * at] : ROWS(product)(state + 4 * at);
}

/* The same dots for some models, whose w are `span` apart and whose dots `dots_span`: each has the bits that row_dots
 * gives. The rows have more than two vectors of lanes. */
static void ROWS(row_dots_of_models)(const ELEMENT *x, const ELEMENT *next, ptrdiff_t stride, const REAL *w,
    ptrdiff_t span, ptrdiff_t models, ptrdiff_t n, ptrdiff_t count, REAL *RESTRICT dots, ptrdiff_t dots_span)
{
    VECTOR p[8 * MOST_VECTORS];
    for (ptrdiff_t k = 0; k < count; k += 8, x += 8 * stride) {
        const ptrdiff_t rows = count - k < 8 ? count - k : 8;
        const ptrdiff_t done = k * stride;
        ptrdiff_t model = 0;
        if (models == 2 && n * (ptrdiff_t)sizeof(REAL) <= WIDE_ROW_BYTES && n >= LEAST_OF_TWO) {
            for (ptrdiff_t row = 0; row < rows; row++)
                ROWS(products)(
                    x + row * stride, stride, 1, 2, CHAINS_OF_TWO, next, done + row * stride, w, span, n, p + row);
        } else if (n > COLUMNS_AT_A_TIME) {
            ROWS(products_by_columns)(x, stride, rows, models, next, done, w, span, n, p);
        } else {
            for (; model + 2 <= models; model += 2)
                ROWS(products_of_8)(
                    x, stride, rows, 2, model == 0 ? next : NULL, done, w + model * span, span, n, p + 8 * model);
            if (model < models)
                ROWS(products_of_8)(x, stride, rows, 1, NULL, done, w + model * span, span, n, p + 8 * model);
        }
        for (model = 0; model < models; model++) {
            for (ptrdiff_t row = rows; row < 8; row++)
                p[8 * model + row] = NAME(all)(0);
            NAME(sum_lanes_of_8)(p + 8 * model, dots + model * dots_span + k);
        }
    }
}

/* sum += c_k x_k over `count` rows x_k of n numbers, where x_k is at x + k * stride and `sum` is padded. Only columns
 * from `first` up to `last`, multiples of LANES unless `last` is n. Unless `next` is NULL, as many rows there are read
 * later. */
INLINE void ROWS(add_some_columns)(const ELEMENT *x, const ELEMENT *next, ptrdiff_t stride, const REAL *coefficients,
    ptrdiff_t n, ptrdiff_t first, ptrdiff_t last, ptrdiff_t count, REAL *RESTRICT sum)
{
    const ptrdiff_t whole = last < n ? last : n / LANES * LANES;
    const ELEMENT *rest = next == NULL ? NULL : next + count * stride * 3 / 4;
    ptrdiff_t k = 0;
/* Adds c[0] x_0 + ... + c[7] x_7 to `sum`, for one vector of each row. Eight rows share a load and store of `sum`. */
#define ADD_EIGHT(sum, part)                                                                                           \
    NAME(store)(sum,                                                                                                   \
        NAME(add)(NAME(load)(sum),                                                                                     \
            NAME(add)(NAME(add)(NAME(mix)(c[0], part(0), c[1], part(1)), NAME(mix)(c[2], part(2), c[3], part(3))),     \
                NAME(add)(NAME(mix)(c[4], part(4), c[5], part(5)), NAME(mix)(c[6], part(6), c[7], part(7))))))
#define WHOLE(row) ROWS(load)(x + row * stride + j)
#define PART(row) ROWS(load_part)(x + row * stride + j, n - j)
    for (; k + 8 <= count; k += 8, x += 8 * stride) {
        VECTOR c[8];
        for (int row = 0; row < 8; row++)
            c[row] = NAME(all)(coefficients[k + row]);
        ptrdiff_t j = first;
        for (; j < whole; j += LANES) {
            ROWS(prefetch_in_second_pass)(rest, k * stride + 8 * j, 8 * LANES);
            ADD_EIGHT(sum + j, WHOLE);
        }
        if (j < last)
            ADD_EIGHT(sum + j, PART);
    }
#undef WHOLE
#undef PART
#undef ADD_EIGHT
    for (; k < count; k++, x += stride) {
        const VECTOR c = NAME(all)(coefficients[k]);
        ptrdiff_t j = first;
        for (; j < whole; j += LANES)
            NAME(store)(sum + j, NAME(add)(NAME(load)(sum + j), NAME(multiply)(c, ROWS(load)(x + j))));
        if (j < last)
            NAME(store)(sum + j, NAME(add)(NAME(load)(sum + j), NAME(multiply)(c, ROWS(load_part)(x + j, n - j))));
    }
}

/* The same for all columns. */
static void ROWS(add_rows)(const ELEMENT *x, const ELEMENT *next, ptrdiff_t stride, const REAL *coefficients,
    ptrdiff_t n, ptrdiff_t count, REAL *RESTRICT sum)
{
    ROWS(add_some_columns)(x, next, stride, coefficients, n, 0, n, count, sum);
}

/* The same for some models, whose coefficients are `span` apart and whose sums `sum_span`. They add the same columns of
 * eight rows one after another, while these are in the L1 cache. */
static void ROWS(add_rows_of_models)(const ELEMENT *x, ptrdiff_t stride, const REAL *coefficients, ptrdiff_t span,
    ptrdiff_t models, ptrdiff_t n, ptrdiff_t count, REAL *RESTRICT sum, ptrdiff_t sum_span)
{
    for (ptrdiff_t k = 0; k < count; k += 8, x += 8 * stride)
        for (ptrdiff_t first = 0; first < n; first += COLUMNS_AT_A_TIME)
            for (ptrdiff_t model = 0; model < models; model++)
                ROWS(add_some_columns)(x, NULL, stride, coefficients + model * span + k, n, first,
                    n - first < COLUMNS_AT_A_TIME ? n : first + COLUMNS_AT_A_TIME, count - k < 8 ? count - k : 8,
                    sum + model * sum_span);
}

/* Copies a few narrow rows into columns: column j goes to columns + j * span. */
static void ROWS(copy_columns)(
    const ELEMENT *RESTRICT x, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t rows, REAL *RESTRICT columns, ptrdiff_t span)
{
    /* A stride known at compile time lets the compiler vectorize the copies. */
    if (stride == 2 && n == 2) {
        for (ptrdiff_t i = 0; i < rows; i++)
            for (int j = 0; j < 2; j++)
                columns[j * span + i] = ROWS(number)(x[i * 2 + j]);
        return;
    }
    if (stride == 3 && n == 3) {
        for (ptrdiff_t i = 0; i < rows; i++)
            for (int j = 0; j < 3; j++)
                columns[j * span + i] = ROWS(number)(x[i * 3 + j]);
        return;
    }
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < n; j++)
            columns[j * span + i] = ROWS(number)(x[i * stride + j]);
}

/* Copies a few rows to rows of REAL that are `span` apart, padded with zeros to whole lanes. */
static void ROWS(copy_rows)(
    const ELEMENT *RESTRICT x, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t rows, REAL *RESTRICT copy, ptrdiff_t span)
{
    const ptrdiff_t whole = n / LANES * LANES;
    for (ptrdiff_t row = 0; row < rows; row++) {
        for (ptrdiff_t j = 0; j < whole; j += LANES)
            NAME(store)(copy + row * span + j, ROWS(load)(x + row * stride + j));
        if (whole < n)
            NAME(store)(copy + row * span + whole, ROWS(load_part)(x + row * stride + whole, n - whole));
    }
}

#undef VECTOR
