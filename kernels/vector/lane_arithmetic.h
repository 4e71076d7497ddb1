/* Loads, stores, sums and products of eight lanes.
 *
 * vector_rows.h includes this file twice, with REAL and NAME(f) defined for double and for float.
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

/* a * x + b * y with three roundings: one for each product and one for the sum. */
INLINE VECTOR NAME(mix)(VECTOR a, VECTOR x, VECTOR b, VECTOR y)
{
    return NAME(add)(NAME(multiply)(a, x), NAME(multiply)(b, y));
}

/* The sum over the lanes of each of eight vectors v: ((v0 + v4) + (v2 + v6)) + ((v1 + v5) + (v3 + v7)).
 * With vector types, the additions transpose the eight vectors on the way. */
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
        quarter[k] =
            SHUFFLE(half[2 * k], half[2 * k + 1], 0, 1, 4, 5) + SHUFFLE(half[2 * k], half[2 * k + 1], 2, 3, 6, 7);
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
        const PIECE total =
            SHUFFLE(quarter[2 * k], quarter[2 * k + 1], 0, 2) + SHUFFLE(quarter[2 * k], quarter[2 * k + 1], 1, 3);
        memcpy(sums + 2 * k, &total, sizeof total);
    }
#endif
}

#undef PIECE
#undef PIECES
#undef VECTOR
