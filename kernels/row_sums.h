/* The inner loops of the Cython kernel: sums over the features of a few rows, eight numbers at a time.
 *
 * Included by vector_rows.h twice, with REAL and NAME(f) defined for double and for float. Everywhere below, w and dw
 * are padded to a whole number of lanes (w with zeros), x is not: its last lanes are loaded by load_part, which never
 * touches a byte behind the row.
 */

#define VECTOR NAME(lanes)
#define PIECE NAME(piece)
#define PIECES (LANES / NAME(WIDTH))

INLINE VECTOR NAME(load)(const REAL *x)
{
    VECTOR v;
    for (int k = 0; k < PIECES; k++)
        memcpy(&v.piece[k], x + k * NAME(WIDTH), sizeof v.piece[k]);
    return v;
}

INLINE void NAME(store)(REAL *x, VECTOR v)
{
    for (int k = 0; k < PIECES; k++)
        memcpy(x + k * NAME(WIDTH), &v.piece[k], sizeof v.piece[k]);
}

INLINE VECTOR NAME(all)(REAL value)
{
    VECTOR v;
    for (int k = 0; k < PIECES; k++)
        v.piece[k] = (PIECE){0} + value;
    return v;
}

INLINE VECTOR NAME(add)(VECTOR a, VECTOR b)
{
    for (int k = 0; k < PIECES; k++)
        a.piece[k] += b.piece[k];
    return a;
}

INLINE VECTOR NAME(multiply)(VECTOR a, VECTOR b)
{
    for (int k = 0; k < PIECES; k++)
        a.piece[k] *= b.piece[k];
    return a;
}

/* a * x + b * y, two roundings each and one for the sum. */
INLINE VECTOR NAME(mix)(VECTOR a, VECTOR x, VECTOR b, VECTOR y)
{
    return NAME(add)(NAME(multiply)(a, x), NAME(multiply)(b, y));
}

/* The sum over the lanes of each of eight vectors v: ((v0 + v4) + (v2 + v6)) + ((v1 + v5) + (v3 + v7)).
 * With vector types the eight are transposed while they are added. */
INLINE void NAME(sum_lanes_of_8)(const VECTOR *p, REAL *RESTRICT sums)
{
#if !defined(VECTOR_TYPES)
    for (int k = 0; k < 8; k++) {
        const REAL *v = p[k].piece;
        sums[k] = ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
    }
#elif NAME(WIDTH) == 8
    PIECE half[4], quarter[2];
    for (int k = 0; k < 4; k++)
        half[k] = SHUFFLE(p[k].piece[0], p[k + 4].piece[0], 0, 1, 2, 3, 8, 9, 10, 11)
                + SHUFFLE(p[k].piece[0], p[k + 4].piece[0], 4, 5, 6, 7, 12, 13, 14, 15);
    for (int k = 0; k < 2; k++)
        quarter[k] = SHUFFLE(half[k], half[k + 2], 0, 1, 8, 9, 4, 5, 12, 13)
                   + SHUFFLE(half[k], half[k + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    const PIECE total = SHUFFLE(quarter[0], quarter[1], 0, 8, 2, 10, 4, 12, 6, 14)
                      + SHUFFLE(quarter[0], quarter[1], 1, 9, 3, 11, 5, 13, 7, 15);
    memcpy(sums, &total, sizeof total);
#elif NAME(WIDTH) == 4
    PIECE half[8], quarter[4];
    for (int k = 0; k < 8; k++)
        half[k] = p[k].piece[0] + p[k].piece[1];
    for (int k = 0; k < 4; k++)
        quarter[k] = SHUFFLE(half[2 * k], half[2 * k + 1], 0, 1, 4, 5) + SHUFFLE(half[2 * k], half[2 * k + 1], 2, 3, 6, 7);
    for (int k = 0; k < 2; k++) {
        const PIECE total = SHUFFLE(quarter[2 * k], quarter[2 * k + 1], 0, 2, 4, 6)
                          + SHUFFLE(quarter[2 * k], quarter[2 * k + 1], 1, 3, 5, 7);
        memcpy(sums + 4 * k, &total, sizeof total);
    }
#else
    PIECE quarter[8];
    for (int k = 0; k < 8; k++)
        quarter[k] = (p[k].piece[0] + p[k].piece[2]) + (p[k].piece[1] + p[k].piece[3]);
    for (int k = 0; k < 4; k++) {
        const PIECE total = SHUFFLE(quarter[2 * k], quarter[2 * k + 1], 0, 2) + SHUFFLE(quarter[2 * k], quarter[2 * k + 1], 1, 3);
        memcpy(sums + 2 * k, &total, sizeof total);
    }
#endif
}

/* The lanes whose sum is x . w. Four accumulators, because an addition takes three or four cycles. */
INLINE VECTOR NAME(products)(const REAL *x, const REAL *w, ptrdiff_t n)
{
    VECTOR a = NAME(all)(0), b = a, c = a, d = a;
    const ptrdiff_t whole = n / LANES * LANES;
    ptrdiff_t j = 0;
    for (; j + 4 * LANES <= whole; j += 4 * LANES) {
        a = NAME(add)(a, NAME(multiply)(NAME(load)(x + j), NAME(load)(w + j)));
        b = NAME(add)(b, NAME(multiply)(NAME(load)(x + j + LANES), NAME(load)(w + j + LANES)));
        c = NAME(add)(c, NAME(multiply)(NAME(load)(x + j + 2 * LANES), NAME(load)(w + j + 2 * LANES)));
        d = NAME(add)(d, NAME(multiply)(NAME(load)(x + j + 3 * LANES), NAME(load)(w + j + 3 * LANES)));
    }
    for (; j < whole; j += LANES)
        a = NAME(add)(a, NAME(multiply)(NAME(load)(x + j), NAME(load)(w + j)));
    if (j < n)
        b = NAME(add)(b, NAME(multiply)(NAME(load_part)(x + j, n - j), NAME(load)(w + j)));
    return NAME(add)(NAME(add)(a, b), NAME(add)(c, d));
}

/* The same for eight rows at once: w is loaded once for the eight, which pays when it does not stay in the L1 cache. */
INLINE void NAME(products_of_8)(const REAL *x, ptrdiff_t stride, const REAL *w, ptrdiff_t n, VECTOR *p)
{
    VECTOR sum[8];
    for (int k = 0; k < 8; k++)
        sum[k] = NAME(all)(0);
    const ptrdiff_t whole = n / LANES * LANES;
    ptrdiff_t j = 0;
    for (; j < whole; j += LANES) {
        const VECTOR w_j = NAME(load)(w + j);
        for (int k = 0; k < 8; k++)
            sum[k] = NAME(add)(sum[k], NAME(multiply)(NAME(load)(x + k * stride + j), w_j));
    }
    if (j < n) {
        const VECTOR w_j = NAME(load)(w + j);
        for (int k = 0; k < 8; k++)
            sum[k] = NAME(add)(sum[k], NAME(multiply)(NAME(load_part)(x + k * stride + j, n - j), w_j));
    }
    for (int k = 0; k < 8; k++)
        p[k] = sum[k];
}

/* dots[k] = x_k . w for `count` rows x_k of n numbers, the k-th at x + k * stride; w is padded with zeros. Writes dots
 * up to the next multiple of eight. */
static void NAME(row_dots)(
    const REAL *x, ptrdiff_t stride, const REAL *w, ptrdiff_t n, ptrdiff_t count, REAL *RESTRICT dots)
{
    const VECTOR w_first = NAME(load)(w), w_second = n > LANES ? NAME(load)(w + LANES) : NAME(all)(0);
    for (ptrdiff_t k = 0; k < count; k += 8, x += 8 * stride) {
        const ptrdiff_t rows = count - k < 8 ? count - k : 8;
        VECTOR p[8];
        ptrdiff_t row = 0;
        if (n == LANES) {
            for (; row < rows; row++)
                p[row] = NAME(multiply)(NAME(load)(x + row * stride), w_first);
        } else if (n < LANES) {
            for (; row < rows; row++)
                p[row] = NAME(multiply)(NAME(load_part)(x + row * stride, n), w_first);
        } else if (n <= 2 * LANES) {
            for (; row < rows; row++)
                p[row] = NAME(mix)(NAME(load)(x + row * stride), w_first,
                                   NAME(load_part)(x + row * stride + LANES, n - LANES), w_second);
        } else if (n * (ptrdiff_t)sizeof(REAL) > WIDE_ROW_BYTES && rows == 8) {
            NAME(products_of_8)(x, stride, w, n, p);
            row = 8;
        }
        for (; row < rows; row++)
            p[row] = NAME(products)(x + row * stride, w, n);
        for (; row < 8; row++)
            p[row] = NAME(all)(0);
        NAME(sum_lanes_of_8)(p, dots + k);
    }
}

/* Adds c[0] x_0 + ... + c[7] x_7 to `sum`, for one vector of each row. Eight rows for one load and store of the sum. */
#define ADD_EIGHT(sum, part)                                                                                           \
    NAME(store)(sum, NAME(add)(NAME(load)(sum),                                                                        \
        NAME(add)(NAME(add)(NAME(mix)(c[0], part(0), c[1], part(1)), NAME(mix)(c[2], part(2), c[3], part(3))),         \
                  NAME(add)(NAME(mix)(c[4], part(4), c[5], part(5)), NAME(mix)(c[6], part(6), c[7], part(7))))))

/* sum += c_k x_k over `count` rows x_k of n numbers, the k-th at x + k * stride; `sum` is padded. */
static void NAME(add_rows)(
    const REAL *x, ptrdiff_t stride, const REAL *coefficients, ptrdiff_t n, ptrdiff_t count, REAL *RESTRICT sum)
{
    const ptrdiff_t whole = n / LANES * LANES;
    ptrdiff_t k = 0;
    for (; k + 8 <= count; k += 8, x += 8 * stride) {
        VECTOR c[8];
        for (int row = 0; row < 8; row++)
            c[row] = NAME(all)(coefficients[k + row]);
        ptrdiff_t j = 0;
#define WHOLE(row) NAME(load)(x + row * stride + j)
#define PART(row) NAME(load_part)(x + row * stride + j, n - j)
        for (; j < whole; j += LANES)
            ADD_EIGHT(sum + j, WHOLE);
        if (j < n)
            ADD_EIGHT(sum + j, PART);
#undef WHOLE
#undef PART
    }
    for (; k < count; k++, x += stride) {
        const VECTOR c = NAME(all)(coefficients[k]);
        ptrdiff_t j = 0;
        for (; j < whole; j += LANES)
            NAME(store)(sum + j, NAME(add)(NAME(load)(sum + j), NAME(multiply)(c, NAME(load)(x + j))));
        if (j < n)
            NAME(store)(sum + j, NAME(add)(NAME(load)(sum + j), NAME(multiply)(c, NAME(load_part)(x + j, n - j))));
    }
}
#undef ADD_EIGHT

/* Copies the few columns of a few rows apart: column j goes to columns + j * span. */
static void NAME(copy_columns)(
    const REAL *RESTRICT x, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t rows, REAL *RESTRICT columns, ptrdiff_t span)
{
    /* Compilers make whole vectors of the copies where they know the distance of the rows. */
    if (stride == 2 && n == 2) {
        for (ptrdiff_t i = 0; i < rows; i++)
            for (int j = 0; j < 2; j++)
                columns[j * span + i] = x[i * 2 + j];
        return;
    }
    if (stride == 3 && n == 3) {
        for (ptrdiff_t i = 0; i < rows; i++)
            for (int j = 0; j < 3; j++)
                columns[j * span + i] = x[i * 3 + j];
        return;
    }
    for (ptrdiff_t i = 0; i < rows; i++)
        for (ptrdiff_t j = 0; j < n; j++)
            columns[j * span + i] = x[i * stride + j];
}

/* Writes `count` rows of n numbers of a narrow dtype, `stride` apart, one behind the other. `kind` is the letter of the
 * buffer protocol: e for float16, b for int8, B for uint8 and ? for bool. */
static void NAME(widen)(
    char kind, const char *x, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t count, REAL *RESTRICT wide)
{
    for (ptrdiff_t k = 0; k < count; k++, wide += n) {
        if (kind == 'e') {
            const uint16_t *row = (const uint16_t *)x + k * stride;
            for (ptrdiff_t j = 0; j < n; j++)
                wide[j] = float_of_half(row[j]);
        } else if (kind == 'b') {
            const int8_t *row = (const int8_t *)x + k * stride;
            for (ptrdiff_t j = 0; j < n; j++)
                wide[j] = row[j];
        } else {
            const uint8_t *row = (const uint8_t *)x + k * stride;
            for (ptrdiff_t j = 0; j < n; j++)
                wide[j] = row[j];
        }
    }
}

/* e_i = exp(-|z_i|), and dz_i = c_i (sigmoid(z_i) - y_i) from it; c may be NULL for all ones. */
static void NAME(slopes)(
    const REAL *RESTRICT z, const REAL *RESTRICT y, const REAL *RESTRICT c, ptrdiff_t rows,
    REAL *RESTRICT e, REAL *RESTRICT dz)
{
    for (ptrdiff_t i = 0; i < rows; i++)
        e[i] = NAME(exp_of_negative)(z[i] < 0 ? z[i] : -z[i]);
    /* (1 - y) - q for z >= 0: 1 - q would have lost the digits of a small q (docs/numerics.md). */
    for (ptrdiff_t i = 0; i < rows; i++) {
        const REAL q = e[i] / (1 + e[i]);
        dz[i] = z[i] >= 0 ? (1 - y[i]) - q : q - y[i];
    }
    if (c != NULL)
        for (ptrdiff_t i = 0; i < rows; i++)
            dz[i] *= c[i];
}

/* loss_i = c_i ((max(z_i, 0) - y_i z_i) + log1p(e_i)); NaN for a label outside [0, 1] or a negative weight. */
static void NAME(losses)(
    const REAL *RESTRICT z, const REAL *RESTRICT y, const REAL *RESTRICT c, const REAL *RESTRICT e, ptrdiff_t rows,
    REAL *RESTRICT loss)
{
    for (ptrdiff_t i = 0; i < rows; i++)
        loss[i] = NAME(log1p_of_unit)(e[i]);
    for (ptrdiff_t i = 0; i < rows; i++) {
        const REAL whole = ((z[i] > 0 ? z[i] : 0) - y[i] * z[i]) + loss[i];
        loss[i] = (y[i] >= 0) & (y[i] <= 1) ? whole : (REAL)NAN;
    }
    if (c != NULL)
        for (ptrdiff_t i = 0; i < rows; i++)
            loss[i] = c[i] >= 0 ? loss[i] * c[i] : (REAL)NAN;
}

/* The sum of `count` numbers, in a fixed order; `values` has room up to the next multiple of eight. */
static REAL NAME(sum)(REAL *values, ptrdiff_t count)
{
    VECTOR p[8];
    for (ptrdiff_t i = count; i % LANES != 0; i++)
        values[i] = 0;
    for (int k = 0; k < 8; k++)
        p[k] = NAME(all)(0);
    for (ptrdiff_t i = 0; i < count; i += LANES)
        p[0] = NAME(add)(p[0], NAME(load)(values + i));
    REAL sums[8];
    NAME(sum_lanes_of_8)(p, sums);
    return sums[0];
}

/* The sum of n consecutive numbers, added as fast as they can be read. */
static double NAME(read)(const REAL *x, ptrdiff_t n)
{
    VECTOR p[8];
    for (int k = 0; k < 8; k++)
        p[k] = NAME(all)(0);
    ptrdiff_t j = 0;
    for (; j + 8 * LANES <= n; j += 8 * LANES)
        for (int k = 0; k < 8; k++)
            p[k] = NAME(add)(p[k], NAME(load)(x + j + k * LANES));
    for (; j < n; j += LANES)
        p[0] = NAME(add)(p[0], NAME(load_part)(x + j, n - j < LANES ? n - j : LANES));
    REAL sums[8];
    NAME(sum_lanes_of_8)(p, sums);
    double total = 0;
    for (int k = 0; k < 8; k++)
        total += sums[k];
    return total;
}

#undef VECTOR
#undef PIECE
#undef PIECES
