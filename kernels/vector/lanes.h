/* Eight numbers that are computed with side by side, and whose sums have the same bits on every instruction set.
 *
 * The number of lanes is fixed and multiplication and addition are never contracted into one rounding, so an
 * instruction set decides only how many registers eight lanes take: of doubles four of SSE2, two of AVX2, one of AVX-512.
 * The functions on them are in row_sums.h, once for double and once for float.
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

/* The vector types of GCC (from 12) and Clang; other compilers get plain numbers, and vectorize the loops over them or do
 * not. A vector wider than the registers would be taken apart through memory, so eight lanes are pieces of PIECE_BYTES. */
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
/* With 64 bytes nearly every load straddles two cache lines, because rows begin anywhere. Processors that compute 64 bytes at
 * once are faster all the same; those that do it in halves are not, and take AVX2 (processor.py). */
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

/* Asks for the memory from an address on, in the L2 cache. One stream of loads does not keep the memory of a processor with
 * AVX-512 busy; Zen 4, which has a build without this, is slower with it (docs/performance.md). A request for memory that does not
 * exist does nothing. */
#if defined(VECTOR_TYPES) && defined(__AVX512F__)
#define ASKS_AHEAD 1
INLINE void ask(const char *memory, ptrdiff_t bytes)
{
    for (ptrdiff_t k = 0; k < bytes; k += 64)
        __builtin_prefetch(memory + k, 0, 2);
}
#else
#define ASKS_AHEAD 0
INLINE void ask(const char *memory, ptrdiff_t bytes)
{
    (void)memory, (void)bytes;
}
#endif

/* So many rows share a load of w if they are in the cache: four need 16 of the 32 registers that only AVX-512 has. Of rows in
 * memory one at a time is the single stream that the hardware follows best. */
#define ROWS_PER_LOAD (PIECE_BYTES == 64 ? 4 : 1)

/* How far ahead within one stream: measured (docs/performance.md). */
#define AHEAD 8192

typedef struct { piece_f64 piece[LANES / WIDTH_f64]; } lanes_f64;
typedef struct { piece_f32 piece[LANES / WIDTH_f32]; } lanes_f32;

#define SHUFFLE __builtin_shufflevector

/* The first `count` numbers at x and zeros behind them, 1 <= count <= LANES, touching no byte of the others: masked
 * loads neither read nor fault where the mask is off. */
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
