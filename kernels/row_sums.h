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

/* e_i = exp(-|z_i|); from it dz_i = sigmoid(z_i) - y_i, and loss_i but for its log1p(e_i): max(z_i, 0) - y_i z_i, NaN
 * for a label outside [0, 1]. */
static void NAME(slopes)(
    const REAL *RESTRICT z, const REAL *RESTRICT y, ptrdiff_t rows,
    REAL *RESTRICT e, REAL *RESTRICT dz, REAL *RESTRICT loss)
{
    for (ptrdiff_t i = 0; i < rows; i++)
        e[i] = NAME(exp_of_negative)(z[i] < 0 ? z[i] : -z[i]);
    /* (1 - y) - q for z >= 0: 1 - q would have lost the digits of a small q (docs/numerics.md). One loop for both: the
     * division leaves the processor idle for longer than the loss takes. */
    for (ptrdiff_t i = 0; i < rows; i++) {
        const REAL q = e[i] / (1 + e[i]);
        dz[i] = z[i] >= 0 ? (1 - y[i]) - q : q - y[i];
        loss[i] = (y[i] >= 0) & (y[i] <= 1) ? (z[i] > 0 ? z[i] : 0) - y[i] * z[i] : (REAL)NAN;
    }
}

/* Completes the losses by log1p(e_i), and multiplies dz_i and them by c_i; NaN for a negative weight. Leaves no e_i for the
 * totals below, whose one logarithm for many rows knows no weights. */
static void NAME(weigh)(
    const REAL *RESTRICT c, ptrdiff_t rows, REAL *RESTRICT e, REAL *RESTRICT dz, REAL *RESTRICT loss)
{
    for (ptrdiff_t i = 0; i < rows; i++) {
        loss[i] += NAME(log1p_of_unit)(e[i]);
        e[i] = 0;
    }
    for (ptrdiff_t i = 0; i < rows; i++) {
        dz[i] *= c[i];
        loss[i] = c[i] >= 0 ? loss[i] * c[i] : (REAL)NAN;
    }
}

/* The sums over rows, kept by lane from one call to the next: dz, the losses, and the product of the (1 + e_i), less 1,
 * which stands for the sum of the log1p(e_i). Two products, because the next factor has to wait for the last. */
#define TOTALS 4

/* Adds some rows to the totals; dz, loss and e have room up to the next multiple of eight. */
static void NAME(add_to_totals)(REAL *dz, REAL *loss, REAL *e, ptrdiff_t rows, REAL *totals)
{
    for (ptrdiff_t i = rows; i % LANES != 0; i++)
        dz[i] = loss[i] = e[i] = 0;
    VECTOR dz_sum = NAME(load)(totals), loss_sum = NAME(load)(totals + LANES);
    VECTOR product[2] = {NAME(load)(totals + 2 * LANES), NAME(load)(totals + 3 * LANES)};
    const VECTOR one = NAME(all)(1);
    int k = 0;
    for (ptrdiff_t i = 0; i < rows; i += LANES, k = 1 - k) {
        dz_sum = NAME(add)(dz_sum, NAME(load)(dz + i));
        loss_sum = NAME(add)(loss_sum, NAME(load)(loss + i));
        /* (1 + s)(1 + e) - 1, without the digits of a small e that 1 + e would drop (docs/numerics.md). */
        product[k] = NAME(add)(product[k], NAME(multiply)(NAME(load)(e + i), NAME(add)(one, product[k])));
    }
    NAME(store)(totals, dz_sum);
    NAME(store)(totals + LANES, loss_sum);
    /* The next rows go on with the other one: how many rows come at once changes no bit. */
    NAME(store)(totals + 2 * LANES, product[k]);
    NAME(store)(totals + 3 * LANES, product[1 - k]);
}

/* Moves the totals into [sum dz, sum loss]. */
static void NAME(flush_totals)(REAL *totals, double *sums)
{
    double dz[LANES], loss[LANES], product[LANES];
    for (int k = 0; k < LANES; k++) {
        const double s = totals[2 * LANES + k];
        dz[k] = totals[k];
        loss[k] = totals[LANES + k];
        product[k] = s + totals[3 * LANES + k] * (1 + s);
    }
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int k = 0; k < half; k++) {
            dz[k] += dz[k + half];
            loss[k] += loss[k + half];
            product[k] += product[k + half] * (1 + product[k]);
        }
    sums[0] += dz[0];
    sums[1] += loss[0] + log1p_of_product(product[0]);
    memset(totals, 0, TOTALS * LANES * sizeof(REAL));
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
