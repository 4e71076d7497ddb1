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

/* Computes for each of a few rows and models the lanes whose sum is x . w: p[8 * model + row]. The numbers of rows,
 * models and chains are compile-time constants.
 *
 * A product has four accumulators, which hide the latency of an addition, three or four cycles. `chains` of them are
 * computed together; that changes no bit. The rows start after the first `done` numbers of their group; the group at
 * `next` has the same size and is read later. */
INLINE void ROWS(products)(const ELEMENT *x, ptrdiff_t stride, int rows, int models, int chains, const ELEMENT *next,
    ptrdiff_t done, const REAL *w, ptrdiff_t span, ptrdiff_t n, VECTOR *p)
{
    VECTOR total[4][ROWS_PER_LOAD * TILE_MODELS + TILE_ROWS * TILE_MODELS];
    const ptrdiff_t whole = n / LANES * LANES, unrolled = n / (4 * LANES) * (4 * LANES);
    for (int first = 0; first < 4; first += chains) {
        VECTOR sum[ROWS_PER_LOAD > TILE_ROWS ? ROWS_PER_LOAD : TILE_ROWS][TILE_MODELS][4];
        for (int row = 0; row < rows; row++)
            for (int model = 0; model < models; model++)
                for (int k = 0; k < chains; k++)
                    sum[row][model][k] = NAME(all)(0);
/* Adds to one accumulator of each product the products of the numbers from j on, which `load_x` loads. */
#define ADD_PRODUCTS(j, k, load_x)                                                                                     \
    do {                                                                                                               \
        VECTOR w_j[TILE_MODELS];                                                                                       \
        for (int model = 0; model < models; model++)                                                                   \
            w_j[model] = NAME(load)(w + model * span + (j));                                                           \
        for (int row = 0; row < rows; row++) {                                                                         \
            const VECTOR x_j = load_x(x + row * stride + (j));                                                         \
            for (int model = 0; model < models; model++)                                                               \
                sum[row][model][k] = NAME(add)(sum[row][model][k], NAME(multiply)(x_j, w_j[model]));                   \
        }                                                                                                              \
    } while (0)
#define PART(address) ROWS(load_part)(address, n - whole)
        for (ptrdiff_t j = 0; j < unrolled; j += 4 * LANES) {
            if (first == 0)
                ROWS(prefetch_in_first_pass)(next, done + rows * j, rows * 4 * LANES);
            for (int k = 0; k < chains; k++)
                ADD_PRODUCTS(j + (first + k) * LANES, k, ROWS(load));
        }
        if (first == 0)
            for (ptrdiff_t j = unrolled; j < whole; j += LANES) {
                ROWS(prefetch_in_first_pass)(next, done + rows * j, rows * LANES);
                ADD_PRODUCTS(j, 0, ROWS(load));
            }
        if (first <= 1 && 1 < first + chains && whole < n)
            ADD_PRODUCTS(whole, 1 - first, PART);
#undef PART
        for (int row = 0; row < rows; row++)
            for (int model = 0; model < models; model++)
                for (int k = 0; k < chains; k++)
                    total[first + k][row * models + model] = sum[row][model][k];
    }
    for (int row = 0; row < rows; row++)
        for (int model = 0; model < models; model++) {
            const int at = row * models + model;
            p[8 * model + row] =
                NAME(add)(NAME(add)(total[0][at], total[1][at]), NAME(add)(total[2][at], total[3][at]));
        }
}

/* The same for eight rows longer than WIDE_ROW_BYTES, which share each load of w; that pays when w does not stay in the
 * L1 cache. A product has one accumulator. */
INLINE void ROWS(products_of_wide_rows)(
    const ELEMENT *x, ptrdiff_t stride, int models, const REAL *w, ptrdiff_t span, ptrdiff_t n, VECTOR *p)
{
    enum { rows = 8 };
    VECTOR sum[rows][WIDE_TILE_MODELS][1];
    for (int row = 0; row < rows; row++)
        for (int model = 0; model < models; model++)
            sum[row][model][0] = NAME(all)(0);
    const ptrdiff_t whole = n / LANES * LANES;
#define WHOLE(address) (prefetch((const char *)(address) + PREFETCH_DISTANCE, 1), ROWS(load)(address))
#define PART(address) ROWS(load_part)(address, n - whole)
    for (ptrdiff_t j = 0; j < whole; j += LANES)
        ADD_PRODUCTS(j, 0, WHOLE);
    if (whole < n)
        ADD_PRODUCTS(whole, 0, PART);
#undef WHOLE
#undef PART
    for (int row = 0; row < rows; row++)
        for (int model = 0; model < models; model++)
            p[8 * model + row] = sum[row][model][0];
}
#undef ADD_PRODUCTS

/* dots[k] = x_k . w for `count` rows x_k of n numbers, where x_k is at x + k * stride and w is padded with zeros.
 * Writes `dots` up to the next multiple of eight. Unless `next` is NULL, as many rows there are read later. */
static void ROWS(row_dots_of_one)(const ELEMENT *x, const ELEMENT *next, ptrdiff_t stride, const REAL *w, ptrdiff_t n,
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
            ROWS(products_of_wide_rows)(x, stride, 1, w, 0, n, p);
            row = 8;
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

/* The same for TILE_MODELS models, whose w are `span` apart, for rows of more than two vectors of lanes. Each dot has
 * the bits that row_dots_of_one gives. */
static void ROWS(row_dots_of_tile)(const ELEMENT *x, const ELEMENT *next, ptrdiff_t stride, const REAL *w,
    ptrdiff_t span, ptrdiff_t n, ptrdiff_t count, REAL *RESTRICT dots, ptrdiff_t dots_span)
{
    for (ptrdiff_t k = 0; k < count; k += 8, x += 8 * stride) {
        const ptrdiff_t rows = count - k < 8 ? count - k : 8;
        VECTOR p[8 * TILE_MODELS];
        ptrdiff_t row = 0;
        if (n * (ptrdiff_t)sizeof(REAL) > WIDE_ROW_BYTES && rows == 8) {
            for (int model = 0; model < TILE_MODELS; model += WIDE_TILE_MODELS)
                ROWS(products_of_wide_rows)(x, stride, WIDE_TILE_MODELS, w + model * span, span, n, p + 8 * model);
            row = 8;
        }
        for (; row + TILE_ROWS <= rows; row += TILE_ROWS)
            ROWS(products)(x + row * stride, stride, TILE_ROWS, TILE_MODELS, CHAINS, next, (k + row) * stride, w, span,
                n, p + row);
        for (; row < rows; row++)
            ROWS(products)(
                x + row * stride, stride, 1, TILE_MODELS, CHAINS, next, (k + row) * stride, w, span, n, p + row);
        for (; row < 8; row++)
            for (int model = 0; model < TILE_MODELS; model++)
                p[8 * model + row] = NAME(all)(0);
        for (int model = 0; model < TILE_MODELS; model++)
            NAME(sum_lanes_of_8)(p + 8 * model, dots + model * dots_span + k);
    }
}

/* The dots of `count` rows with the w of some models, which are `span` apart; those of a model are `dots_span` apart.
 */
static void ROWS(row_dots)(const ELEMENT *x, const ELEMENT *next, ptrdiff_t stride, const REAL *w, ptrdiff_t span,
    ptrdiff_t models, ptrdiff_t n, ptrdiff_t count, REAL *dots, ptrdiff_t dots_span)
{
    ptrdiff_t model = 0;
    if (n > 2 * LANES)
        for (; model + TILE_MODELS <= models; model += TILE_MODELS) {
            ROWS(row_dots_of_tile)(
                x, next, stride, w + model * span, span, n, count, dots + model * dots_span, dots_span);
            next = NULL;
        }
    for (; model < models; model++) {
        ROWS(row_dots_of_one)(x, next, stride, w + model * span, n, count, dots + model * dots_span);
        next = NULL;
    }
}

/* Adds c[0] x_0 + ... + c[7] x_7 to `sum`, for one vector of each row. Eight rows share a load and store of `sum`. */
#define ADD_EIGHT(sum, part)                                                                                           \
    NAME(store)(sum,                                                                                                   \
        NAME(add)(NAME(load)(sum),                                                                                     \
            NAME(add)(NAME(add)(NAME(mix)(c[0], part(0), c[1], part(1)), NAME(mix)(c[2], part(2), c[3], part(3))),     \
                NAME(add)(NAME(mix)(c[4], part(4), c[5], part(5)), NAME(mix)(c[6], part(6), c[7], part(7))))))

/* sum += c_k x_k over eight rows x_k, for their columns from `first` up to `last`. Unless `rest` is NULL, rows there
 * are read later. */
INLINE void ROWS(add_eight_rows)(const ELEMENT *x, const ELEMENT *rest, ptrdiff_t stride, const REAL *coefficients,
    ptrdiff_t n, ptrdiff_t first, ptrdiff_t last, REAL *RESTRICT sum)
{
    const ptrdiff_t whole = n / LANES * LANES;
    VECTOR c[8];
    for (int row = 0; row < 8; row++)
        c[row] = NAME(all)(coefficients[row]);
    ptrdiff_t j = first;
#define WHOLE(row) ROWS(load)(x + row * stride + j)
#define PART(row) ROWS(load_part)(x + row * stride + j, n - j)
    for (; j < (last < whole ? last : whole); j += LANES) {
        ROWS(prefetch_in_second_pass)(rest, 8 * j, 8 * LANES);
        ADD_EIGHT(sum + j, WHOLE);
    }
    if (j < last)
        ADD_EIGHT(sum + j, PART);
#undef WHOLE
#undef PART
}
#undef ADD_EIGHT

/* sum += c_k x_k over `count` rows x_k of n numbers, where x_k is at x + k * stride and `sum` is padded, for each of
 * some models, whose coefficients are `span` apart and whose sums are `sum_span` apart. Unless `next` is NULL, as many
 * rows there are read later. */
static void ROWS(add_rows)(const ELEMENT *x, const ELEMENT *next, ptrdiff_t stride, const REAL *coefficients,
    ptrdiff_t span, ptrdiff_t models, ptrdiff_t n, ptrdiff_t count, REAL *sum, ptrdiff_t sum_span)
{
    const ptrdiff_t whole = n / LANES * LANES;
    /* Several models add the same columns of eight rows one after another, while these are in the L1 cache. */
    const ptrdiff_t columns = models == 1 ? n : COLUMNS_AT_A_TIME;
    const ELEMENT *rest = next == NULL ? NULL : next + count * stride * 3 / 4;
    ptrdiff_t k = 0;
    for (; k + 8 <= count; k += 8, x += 8 * stride)
        for (ptrdiff_t first = 0; first < n; first += columns)
            for (ptrdiff_t model = 0; model < models; model++)
                ROWS(add_eight_rows)(x, rest == NULL || model > 0 ? NULL : rest + k * stride / 4, stride,
                    coefficients + model * span + k, n, first, n - first < columns ? n : first + columns,
                    sum + model * sum_span);
    for (; k < count; k++, x += stride)
        for (ptrdiff_t model = 0; model < models; model++) {
            const VECTOR c = NAME(all)(coefficients[model * span + k]);
            REAL *total = sum + model * sum_span;
            ptrdiff_t j = 0;
            for (; j < whole; j += LANES)
                NAME(store)(total + j, NAME(add)(NAME(load)(total + j), NAME(multiply)(c, ROWS(load)(x + j))));
            if (j < n)
                NAME(store)(
                    total + j, NAME(add)(NAME(load)(total + j), NAME(multiply)(c, ROWS(load_part)(x + j, n - j))));
        }
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

#undef VECTOR
