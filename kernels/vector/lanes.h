/* The type of eight lanes on each instruction set, with partial loads and prefetches.
 *
 * Sums have the same bits on every instruction set: the number of lanes is fixed, and the compiler never contracts a
 * multiplication and an addition into one rounding. An instruction set decides only how many registers hold eight
 * lanes: for doubles, four of SSE2, two of AVX2, one of AVX-512. The arithmetic on lanes is in lane_arithmetic.h.
 */
#ifndef GRADSTEP_LANES_H
#define GRADSTEP_LANES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define INSTRUCTION_SET "avx512"
#elif defined(__AVX2__)
#define INSTRUCTION_SET "avx2"
#else
#define INSTRUCTION_SET "baseline"
#endif

#define LANES 8

#if defined(_MSC_VER) && !defined(__clang__)
#define INLINE static __forceinline
#define RESTRICT __restrict
#else
#define INLINE static inline __attribute__((always_inline))
#define RESTRICT __restrict__
#endif

/* GCC (from 12) and Clang have vector types. Other compilers get scalars and loops that they may vectorize. Eight lanes
 * are several pieces of PIECE_BYTES, because compilers take a vector wider than a register apart through memory. */
#if defined(__GNUC__) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define VECTOR_TYPES 1
#endif
#endif

#if !defined(VECTOR_TYPES)
#define PIECE_BYTES 0
typedef double piece_f64;
typedef float piece_f32;
#define WIDTH_f64 1
#define WIDTH_f32 1
#else
#if defined(__AVX512F__)
#define PIECE_BYTES 64
#elif defined(__AVX2__)
#define PIECE_BYTES 32
#else
#define PIECE_BYTES 16
#endif
#define WIDTH_f64 (PIECE_BYTES / 8)
#define WIDTH_f32 (PIECE_BYTES >= 32 ? 8 : PIECE_BYTES / 4)
typedef double piece_f64 __attribute__((vector_size(8 * WIDTH_f64)));
typedef float piece_f32 __attribute__((vector_size(4 * WIDTH_f32)));
#endif

/* Prefetches `bytes` bytes from an address on into the L2 cache. A prefetch from an unmapped address does nothing. */
INLINE void prefetch(const char *memory, ptrdiff_t bytes)
{
#if defined(__GNUC__)
    for (ptrdiff_t k = 0; k < bytes; k += 64)
        __builtin_prefetch(memory + k, 0, 2);
#else
    (void)memory, (void)bytes;
#endif
}

/* The number of rows in the cache that share a load of w: four rows need 16 of the 32 registers that only AVX-512 has.
 * For rows in memory, one row at a time is the single stream that a hardware prefetcher follows best. */
#define ROWS_PER_LOAD (PIECE_BYTES == 64 ? 4 : 1)

/* A tile of two rows and two models shares its loads: it needs four for four products, where each alone needs two. Of
 * the four accumulators of a product as many are computed together as there are registers for; where that is one, a
 * tile passes over its rows four times. */
#define TILE 2
#define CHAINS (PIECE_BYTES == 64 ? 4 : 1)

/* Two models alone, such as the w and v of a curvature, go through one row at a time, a single stream. With fewer
 * registers that pays from LEAST_OF_TWO features on, and half of the accumulators are computed together. */
#define LEAST_OF_TWO (PIECE_BYTES == 64 ? 0 : 256)
#define CHAINS_OF_TWO (PIECE_BYTES == 64 ? 4 : 2)

/* Keeps a vector in registers where the compiler would load it again for each use. */
#if defined(VECTOR_TYPES) && defined(__AVX__)
#define HOLD(v)                                                                                                        \
    for (int piece = 0; piece < (int)(sizeof(v) / sizeof((v).piece[0])); piece++)                                      \
    __asm__("" : "+v"((v).piece[piece]))
#else
#define HOLD(v) (void)0
#endif

/* Of rows longer than WIDE_ROW_BYTES eight share a load of w, with one accumulator each. */
#define WIDE_TILE_MODELS (PIECE_BYTES == 64 ? 2 : 1)

/* The distance of a prefetch within one stream, in bytes: measured (docs/performance.md). */
#define PREFETCH_DISTANCE 8192

typedef struct {
    piece_f64 piece[LANES / WIDTH_f64];
} lanes_f64;
typedef struct {
    piece_f32 piece[LANES / WIDTH_f32];
} lanes_f32;

#define SHUFFLE __builtin_shufflevector

/* Loads the first `count` numbers at x, 1 <= count <= LANES, and fills the other lanes with zeros. No byte past these
 * numbers is touched: masked loads neither read nor fault where the mask is off. */
#if defined(VECTOR_TYPES) && defined(__AVX512VL__)
INLINE lanes_f64 load_part_f64(const double *x, ptrdiff_t count)
{
    const unsigned mask = (1u << count) - 1;
    return (lanes_f64){{(piece_f64)_mm512_maskz_loadu_pd((__mmask8)mask, x)}};
}

INLINE lanes_f32 load_part_f32(const float *x, ptrdiff_t count)
{
    return (lanes_f32){{(piece_f32)_mm256_maskz_loadu_ps((__mmask8)((1u << count) - 1), x)}};
}
#elif defined(VECTOR_TYPES) && defined(__AVX2__)
static const int64_t mask_f64[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};
static const int32_t mask_f32[2 * LANES] = {-1, -1, -1, -1, -1, -1, -1, -1};

INLINE lanes_f64 load_part_f64(const double *x, ptrdiff_t count)
{
    const __m256i *mask = (const __m256i *)(mask_f64 + LANES - count);
    return (lanes_f64){{(piece_f64)_mm256_maskload_pd(x, _mm256_loadu_si256(mask)),
        (piece_f64)_mm256_maskload_pd(x + 4, _mm256_loadu_si256(mask + 1))}};
}

INLINE lanes_f32 load_part_f32(const float *x, ptrdiff_t count)
{
    const __m256i *mask = (const __m256i *)(mask_f32 + LANES - count);
    return (lanes_f32){{(piece_f32)_mm256_maskload_ps(x, _mm256_loadu_si256(mask))}};
}
#else
INLINE lanes_f64 load_part_f64(const double *x, ptrdiff_t count)
{
    double padded[LANES] = {0};
    lanes_f64 part;
    for (ptrdiff_t j = 0; j < count; j++)
        padded[j] = x[j];
    memcpy(&part, padded, sizeof part);
    return part;
}

INLINE lanes_f32 load_part_f32(const float *x, ptrdiff_t count)
{
    float padded[LANES] = {0};
    lanes_f32 part;
    for (ptrdiff_t j = 0; j < count; j++)
        padded[j] = x[j];
    memcpy(&part, padded, sizeof part);
    return part;
}
#endif

#endif
