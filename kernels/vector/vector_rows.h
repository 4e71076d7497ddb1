/* The functions that the Cython kernel calls for a few rows, for double (..._f64) and float (..._f32).
 *
 * The loops over blocks and groups of rows are in cython_loop.pyx.
 */
#ifndef GRADSTEP_VECTOR_ROWS_H
#define GRADSTEP_VECTOR_ROWS_H

#include <math.h>

#include "lanes.h"
#include "narrow.h"
#include "simd_math.h"

/* Above this size w competes with the rows for a 32 KiB L1 cache, and sharing each load of w among eight rows pays.
 * Below it, one row at a time is faster: a hardware prefetcher follows one stream best (docs/performance.md). */
#define WIDE_ROW_BYTES 12000

/* So many columns of eight rows of float64 fill a half of the smallest L1 cache, 32 KiB. */
#define COLUMNS_AT_A_TIME 256

/* So many vectors are multiplied with the rows at a time: those of some models, or their w and v. */
#define MOST_VECTORS 16

INLINE double number_f64(double value)
{
    return value;
}

INLINE float number_f32(float value)
{
    return value;
}

/* Computed in double: X of double, uint8, bool and int8. */
#define NAME(f) f##_f64
#define REAL double
#include "lane_arithmetic.h"
#include "logistic.h"
#include "read_limit.h"
#define ELEMENT double
#define ROWS(f) f##_f64
#include "row_passes.h"
#undef ROWS
#undef ELEMENT
#define ELEMENT uint8_t
#define ROWS(f) f##_u8
#include "row_passes.h"
#undef ROWS
#undef ELEMENT
#define ELEMENT uint8_t
#define ROWS(f) f##_bool
#include "row_passes.h"
#undef ROWS
#undef ELEMENT
#define ELEMENT int8_t
#define ROWS(f) f##_i8
#include "row_passes.h"
#undef ROWS
#undef ELEMENT
#undef NAME
#undef REAL

/* Computed in float: X of float and float16. */
#define NAME(f) f##_f32
#define REAL float
#include "lane_arithmetic.h"
#include "logistic.h"
#include "read_limit.h"
#define ELEMENT float
#define ROWS(f) f##_f32
#include "row_passes.h"
#undef ROWS
#undef ELEMENT
#define ELEMENT uint16_t
#define ROWS(f) f##_f16
#include "row_passes.h"
#undef ROWS
#undef ELEMENT
#undef NAME
#undef REAL

/* Dispatches on the buffer protocol's letter for the type of X. */
#define BY_KIND_f64(function, ...)                                                                                     \
    switch (kind) {                                                                                                    \
    case 'd': function##_f64((const double *)x, __VA_ARGS__); break;                                                   \
    case 'b': function##_i8((const int8_t *)x, __VA_ARGS__); break;                                                    \
    case '?': function##_bool((const uint8_t *)x, __VA_ARGS__); break;                                                 \
    default: function##_u8((const uint8_t *)x, __VA_ARGS__);                                                           \
    }
#define BY_KIND_f32(function, ...)                                                                                     \
    if (kind == 'f')                                                                                                   \
        function##_f32((const float *)x, __VA_ARGS__);                                                                 \
    else                                                                                                               \
        function##_f16((const uint16_t *)x, __VA_ARGS__)

static void dots_as_f64(char kind, const void *x, const void *next, ptrdiff_t stride, const double *w, ptrdiff_t span,
    ptrdiff_t models, ptrdiff_t n, ptrdiff_t count, double *dots, ptrdiff_t dots_span)
{
    if (models > 1 && n > 2 * LANES) {
        BY_KIND_f64(row_dots_of_models, next, stride, w, span, models, n, count, dots, dots_span) return;
    }
    for (ptrdiff_t model = 0; model < models; model++, next = NULL) {
        BY_KIND_f64(row_dots, next, stride, w + model * span, n, count, dots + model * dots_span)
    }
}

static void dots_as_f32(char kind, const void *x, const void *next, ptrdiff_t stride, const float *w, ptrdiff_t span,
    ptrdiff_t models, ptrdiff_t n, ptrdiff_t count, float *dots, ptrdiff_t dots_span)
{
    if (models > 1 && n > 2 * LANES) {
        BY_KIND_f32(row_dots_of_models, next, stride, w, span, models, n, count, dots, dots_span);
        return;
    }
    for (ptrdiff_t model = 0; model < models; model++, next = NULL) {
        BY_KIND_f32(row_dots, next, stride, w + model * span, n, count, dots + model * dots_span);
    }
}

static void add_as_f64(char kind, const void *x, const void *next, ptrdiff_t stride, const double *c, ptrdiff_t span,
    ptrdiff_t models, ptrdiff_t n, ptrdiff_t count, double *sums, ptrdiff_t sums_span)
{
    if (models == 1) {
        BY_KIND_f64(add_rows, next, stride, c, n, count, sums) return;
    }
    BY_KIND_f64(add_rows_of_models, stride, c, span, models, n, count, sums, sums_span)
}

static void add_as_f32(char kind, const void *x, const void *next, ptrdiff_t stride, const float *c, ptrdiff_t span,
    ptrdiff_t models, ptrdiff_t n, ptrdiff_t count, float *sums, ptrdiff_t sums_span)
{
    if (models == 1) {
        BY_KIND_f32(add_rows, next, stride, c, n, count, sums);
        return;
    }
    BY_KIND_f32(add_rows_of_models, stride, c, span, models, n, count, sums, sums_span);
}

static void copy_columns_as_f64(
    char kind, const void *x, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t rows, double *columns, ptrdiff_t span)
{
    BY_KIND_f64(copy_columns, stride, n, rows, columns, span)
}

static void copy_columns_as_f32(
    char kind, const void *x, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t rows, float *columns, ptrdiff_t span)
{
    BY_KIND_f32(copy_columns, stride, n, rows, columns, span);
}

static void copy_rows_as_f64(
    char kind, const void *x, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t rows, double *copy, ptrdiff_t span)
{
    BY_KIND_f64(copy_rows, stride, n, rows, copy, span)
}

static void copy_rows_as_f32(
    char kind, const void *x, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t rows, float *copy, ptrdiff_t span)
{
    BY_KIND_f32(copy_rows, stride, n, rows, copy, span);
}

#endif
