/* The read limit: a sum that costs no more than reading its numbers once.
 *
 * vector_rows.h includes this file twice, with REAL and NAME(f) defined for double and for float.
 */

#define VECTOR NAME(lanes)

/* The sum of n consecutive numbers; eight accumulators hide the latency of an addition. */
static double NAME(read)(const REAL *x, ptrdiff_t n)
{
    VECTOR p[8];
    for (int k = 0; k < 8; k++)
        p[k] = NAME(all)(0);
    ptrdiff_t j = 0;
    for (; j + 8 * LANES <= n; j += 8 * LANES)
        for (int k = 0; k < 8; k++) {
            prefetch((const char *)(x + j + k * LANES) + PREFETCH_DISTANCE, 1);
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

#undef VECTOR
