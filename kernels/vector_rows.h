/* What the Cython kernel calls in its inner loops, for double (..._f64) and for float (..._f32).
 *
 * The loops over blocks and batches of rows are in cython_loop.pyx; here are those over the features of a few rows.
 */
#ifndef GRADSTEP_VECTOR_ROWS_H
#define GRADSTEP_VECTOR_ROWS_H

#include <math.h>

#include "lanes.h"
#include "simd_math.h"

/* From here on w competes with the rows for a 32 KiB L1 cache, and four rows at once load it a quarter as often.
 * Below, one row at a time wins: a hardware prefetcher follows one stream best (docs/performance.md). */
#define WIDE_ROW_BYTES 20000

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
