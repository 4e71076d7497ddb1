/* The logistic link: of each row dz and the loss, or their curvature, from z, and the sums of these over rows.
 *
 * vector_rows.h includes this file twice, with REAL and NAME(f) defined for double and for float.
 */

#define VECTOR NAME(lanes)

/* Computes e_i = exp(-|z_i|), dz_i = sigmoid(z_i) - y_i, and the loss without its log1p(e_i): max(z_i, 0) - y_i z_i, or
 * NaN for a label outside [0, 1]. */
static void NAME(slopes)(const REAL *RESTRICT z, const REAL *RESTRICT y, ptrdiff_t rows, REAL *RESTRICT e,
    REAL *RESTRICT dz, REAL *RESTRICT loss)
{
    for (ptrdiff_t i = 0; i < rows; i++)
        e[i] = NAME(exp_of_negative)(z[i] < 0 ? z[i] : -z[i]);
    /* (1 - y) - q for z >= 0, because 1 - q loses the digits of a small q (docs/numerics.md). One loop computes both:
     * the arithmetic of the loss hides in the latency of the division. */
    for (ptrdiff_t i = 0; i < rows; i++) {
        const REAL q = e[i] / (1 + e[i]);
        dz[i] = z[i] >= 0 ? (1 - y[i]) - q : q - y[i];
        loss[i] = (y[i] >= 0) & (y[i] <= 1) ? (z[i] > 0 ? z[i] : 0) - y[i] * z[i] : (REAL)NAN;
    }
}

/* Computes with s_i = q_i / (1 + e_i), which is sigmoid'(z_i), the coefficients s_i u_i of the Hessian's product with a
 * direction, and s_i u_i^2, or NaN for a label outside [0, 1]. Sets e_i to zero: there is no logarithm in the totals.
 */
static void NAME(curvatures)(const REAL *RESTRICT z, const REAL *RESTRICT u, const REAL *RESTRICT y, ptrdiff_t rows,
    REAL *RESTRICT e, REAL *RESTRICT su, REAL *RESTRICT suu)
{
    for (ptrdiff_t i = 0; i < rows; i++)
        e[i] = NAME(exp_of_negative)(z[i] < 0 ? z[i] : -z[i]);
    for (ptrdiff_t i = 0; i < rows; i++) {
        const REAL grown = 1 + e[i];
        su[i] = e[i] / (grown * grown) * u[i];
        suu[i] = (y[i] >= 0) & (y[i] <= 1) ? su[i] * u[i] : (REAL)NAN;
        e[i] = 0;
    }
}

/* Adds log1p(e_i) to each loss and sets e_i to zero: the totals below take one logarithm for many rows, which cannot be
 * weighed. */
static void NAME(add_logarithms)(ptrdiff_t rows, REAL *RESTRICT e, REAL *RESTRICT loss)
{
    for (ptrdiff_t i = 0; i < rows; i++) {
        loss[i] += NAME(log1p_of_unit)(e[i]);
        e[i] = 0;
    }
}

/* Multiplies a coefficient and a loss by the weight c_i; a negative weight makes the loss NaN. */
static void NAME(weigh)(const REAL *RESTRICT c, ptrdiff_t rows, REAL *RESTRICT dz, REAL *RESTRICT loss)
{
    for (ptrdiff_t i = 0; i < rows; i++) {
        dz[i] *= c[i];
        loss[i] = c[i] >= 0 ? loss[i] * c[i] : (REAL)NAN;
    }
}

/* The totals of each lane, kept from one call to the next: sum dz, sum loss, and the product of all (1 + e_i) minus 1,
 * whose logarithm replaces the sum of the log1p(e_i). Two independent products hide latency. */
#define TOTALS 4

/* Adds `rows` rows to the totals. dz, loss and e have room for the next multiple of eight rows. */
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
        /* (1 + s)(1 + e) - 1 as s + e (1 + s), which keeps the digits of a small e that 1 + e would drop
         * (docs/numerics.md). The two products alternate across calls too, so the number of rows in a call changes no
         * bit. */
        const VECTOR grown = NAME(add)(product, NAME(multiply)(NAME(load)(e + i), NAME(add)(one, product)));
        product = other;
        other = grown;
    }
    NAME(store)(totals, dz_sum);
    NAME(store)(totals + LANES, loss_sum);
    NAME(store)(totals + 2 * LANES, product);
    NAME(store)(totals + 3 * LANES, other);
}

/* Adds the totals to sums = [sum dz, sum loss] and clears them. */
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

#undef VECTOR
