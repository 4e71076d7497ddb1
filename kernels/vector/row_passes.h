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

/* Computes for each of `rows` rows (a compile-time constant) the lanes whose sum is x . w. Four accumulators a row hide
 * the latency of an addition, three or four cycles. The rows start after the first `done` numbers of their group; the
 * group at `next` has the same size and is read later. */
INLINE void ROWS(products)(const ELEMENT *x, ptrdiff_t stride, int rows, const ELEMENT *next, ptrdiff_t done,
    const REAL *w, ptrdiff_t n, VECTOR *p)
{
    VECTOR sum[ROWS_PER_LOAD][4];
    for (int row = 0; row < rows; row++)
        for (int k = 0; k < 4; k++)
            sum[row][k] = NAME(all)(0);
    const ptrdiff_t whole = n / LANES * LANES;
    ptrdiff_t j = 0;
    for (; j + 4 * LANES <= whole; j += 4 * LANES) {
        ROWS(prefetch_in_first_pass)(next, done + rows * j, rows * 4 * LANES);
        for (int k = 0; k < 4; k++) {
            const VECTOR w_j = NAME(load)(w + j + k * LANES);
            for (int row = 0; row < rows; row++)
                sum[row][k] = NAME(add)(sum[row][k], NAME(multiply)(ROWS(load)(x + row * stride + j + k * LANES), w_j));
        }
    }
    for (; j < whole; j += LANES) {
        ROWS(prefetch_in_first_pass)(next, done + rows * j, rows * LANES);
        const VECTOR w_j = NAME(load)(w + j);
        for (int row = 0; row < rows; row++)
            sum[row][0] = NAME(add)(sum[row][0], NAME(multiply)(ROWS(load)(x + row * stride + j), w_j));
    }
    if (j < n) {
        const VECTOR w_j = NAME(load)(w + j);
        for (int row = 0; row < rows; row++)
            sum[row][1] = NAME(add)(sum[row][1], NAME(multiply)(ROWS(load_part)(x + row * stride + j, n - j), w_j));
    }
    for (int row = 0; row < rows; row++)
        p[row] = NAME(add)(NAME(add)(sum[row][0], sum[row][1]), NAME(add)(sum[row][2], sum[row][3]));
}

/* The same for eight rows that share each load of w, which pays when w does not stay in the L1 cache. */
INLINE void ROWS(products_of_8)(const ELEMENT *x, ptrdiff_t stride, const REAL *w, ptrdiff_t n, VECTOR *p)
{
    VECTOR sum[8];
    for (int k = 0; k < 8; k++)
        sum[k] = NAME(all)(0);
    const ptrdiff_t whole = n / LANES * LANES;
    ptrdiff_t j = 0;
    for (; j < whole; j += LANES) {
        const VECTOR w_j = NAME(load)(w + j);
        for (int k = 0; k < 8; k++) {
            prefetch((const char *)(x + k * stride + j) + PREFETCH_DISTANCE, 1);
            sum[k] = NAME(add)(sum[k], NAME(multiply)(ROWS(load)(x + k * stride + j), w_j));
        }
    }
    if (j < n) {
        const VECTOR w_j = NAME(load)(w + j);
        for (int k = 0; k < 8; k++)
            sum[k] = NAME(add)(sum[k], NAME(multiply)(ROWS(load_part)(x + k * stride + j, n - j), w_j));
    }
    for (int k = 0; k < 8; k++)
        p[k] = sum[k];
}

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
            ROWS(products_of_8)(x, stride, w, n, p);
            row = 8;
        }
        if (next == NULL)
            for (; row + ROWS_PER_LOAD <= rows; row += ROWS_PER_LOAD)
                ROWS(products)(x + row * stride, stride, ROWS_PER_LOAD, NULL, 0, w, n, p + row);
        for (; row < rows; row++)
            ROWS(products)(x + row * stride, stride, 1, next, (k + row) * stride, w, n, p + row);
        for (; row < 8; row++)
            p[row] = NAME(all)(0);
        NAME(sum_lanes_of_8)(p, dots + k);
    }
}

/* Adds c[0] x_0 + ... + c[7] x_7 to `sum`, for one vector of each row. Eight rows share a load and store of `sum`. */
#define ADD_EIGHT(sum, part)                                                                                           \
    NAME(store)(sum,                                                                                                   \
        NAME(add)(NAME(load)(sum),                                                                                     \
            NAME(add)(NAME(add)(NAME(mix)(c[0], part(0), c[1], part(1)), NAME(mix)(c[2], part(2), c[3], part(3))),     \
                NAME(add)(NAME(mix)(c[4], part(4), c[5], part(5)), NAME(mix)(c[6], part(6), c[7], part(7))))))

/* sum += c_k x_k over `count` rows x_k of n numbers, where x_k is at x + k * stride and `sum` is padded. Unless `next`
 * is NULL, as many rows there are read later. */
static void ROWS(add_rows)(const ELEMENT *x, const ELEMENT *next, ptrdiff_t stride, const REAL *coefficients,
    ptrdiff_t n, ptrdiff_t count, REAL *RESTRICT sum)
{
    const ptrdiff_t whole = n / LANES * LANES;
    const ELEMENT *rest = next == NULL ? NULL : next + count * stride * 3 / 4;
    ptrdiff_t k = 0;
    for (; k + 8 <= count; k += 8, x += 8 * stride) {
        VECTOR c[8];
        for (int row = 0; row < 8; row++)
            c[row] = NAME(all)(coefficients[k + row]);
        ptrdiff_t j = 0;
#define WHOLE(row) ROWS(load)(x + row * stride + j)
#define PART(row) ROWS(load_part)(x + row * stride + j, n - j)
        for (; j < whole; j += LANES) {
            ROWS(prefetch_in_second_pass)(rest, k * stride + 8 * j, 8 * LANES);
            ADD_EIGHT(sum + j, WHOLE);
        }
        if (j < n)
            ADD_EIGHT(sum + j, PART);
#undef WHOLE
#undef PART
    }
    for (; k < count; k++, x += stride) {
        const VECTOR c = NAME(all)(coefficients[k]);
        ptrdiff_t j = 0;
        for (; j < whole; j += LANES)
            NAME(store)(sum + j, NAME(add)(NAME(load)(sum + j), NAME(multiply)(c, ROWS(load)(x + j))));
        if (j < n)
            NAME(store)(sum + j, NAME(add)(NAME(load)(sum + j), NAME(multiply)(c, ROWS(load_part)(x + j, n - j))));
    }
}
#undef ADD_EIGHT

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
