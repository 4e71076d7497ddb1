/* What the Cython kernel calls in its inner loops, for double (..._f64) and for float (..._f32).
 *
 * The loops over blocks and batches of rows are in cython_loop.pyx; here are those over the features of a few rows.
 */
#ifndef GRADSTEP_VECTOR_ROWS_H
#define GRADSTEP_VECTOR_ROWS_H

#include <math.h>

#include "lanes.h"
#include "simd_math.h"

/* From here on w competes with the rows for a 32 KiB L1 cache, and eight rows at once load it an eighth as often.
 * Below, one row at a time wins: a hardware prefetcher follows one stream best (docs/performance.md). */
#define WIDE_ROW_BYTES 12000

/* A float16 as a float, exactly. Moved to the place of a float's, its exponent counts from 15 where a float's counts from
 * 127, so 2^112 is the factor between them, for subnormal numbers too; infinity and NaN get the largest exponent back. */
static inline float float_of_half(uint16_t half)
{
    uint32_t bits = (uint32_t)(half & 0x7fff) << 13;
    float magnitude;
    memcpy(&magnitude, &bits, sizeof magnitude);
    magnitude *= 0x1p+112f;
    memcpy(&bits, &magnitude, sizeof bits);
    bits |= (half & 0x7c00) == 0x7c00 ? 0x7f800000u : 0u;
    bits |= (uint32_t)(half & 0x8000) << 16;
    memcpy(&magnitude, &bits, sizeof magnitude);
    return magnitude;
}

#define NAME(f) f##_f64
#define REAL double
#include "row_sums.h"
#undef NAME
#undef REAL

#define NAME(f) f##_f32
#define REAL float
#include "row_sums.h"
#undef NAME
#undef REAL

#endif
