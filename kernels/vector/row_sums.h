/* Eight numbers side by side, and what a few rows need between the two passes over their features: dz and the losses.
 *
 * Included by vector_rows.h twice, with REAL and NAME(f) defined for double and for float.
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
    VECTOR product = NAME(load)(totals + 2 * LANES), other = NAME(load)(totals + 3 * LANES);
    const VECTOR one = NAME(all)(1);
    for (ptrdiff_t i = 0; i < rows; i += LANES) {
        dz_sum = NAME(add)(dz_sum, NAME(load)(dz + i));
        loss_sum = NAME(add)(loss_sum, NAME(load)(loss + i));
        /* (1 + s)(1 + e) - 1, without the digits of a small e that 1 + e would drop (docs/numerics.md). The two take turns
         * from one call to the next, too: how many rows come at once changes no bit. */
        const VECTOR grown = NAME(add)(product, NAME(multiply)(NAME(load)(e + i), NAME(add)(one, product)));
        product = other;
        other = grown;
    }
    NAME(store)(totals, dz_sum);
    NAME(store)(totals + LANES, loss_sum);
    NAME(store)(totals + 2 * LANES, product);
    NAME(store)(totals + 3 * LANES, other);
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
        for (int k = 0; k < 8; k++) {
            ask((const char *)(x + j + k * LANES) + AHEAD, 1);
            p[k] = NAME(add)(p[k], NAME(load)(x + j + k * LANES));
        }
    for (; j < n; j += LANES)
        p[0] = NAME(add)(p[0], NAME(load_part)(x + j, n - j < LANES ? n - j : LANES));
    REAL sums[8];
    NAME(sum_lanes_of_8)(p, sums);
    double total = 0;
    for (int k = 0; k < 8; k++)
        total += sums[k];
    return total;
}

#undef PIECE
#undef PIECES
#undef VECTOR
