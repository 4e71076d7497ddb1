/* Loads of uint8, int8, bool and float16, each converted exactly to eight lanes of double or float.
 *
 * load_part touches no byte past the first `count` numbers, 1 <= count <= LANES, and zeroes the other lanes.
 */
#ifndef GRADSTEP_NARROW_H
#define GRADSTEP_NARROW_H

#include "lanes.h"

INLINE double number_u8(uint8_t value)
{
    return value;
}

/* Of a bool every byte but 0 stands for true, as NumPy reads it: a mask of 0 and 255 may be looked at as bools. */
INLINE double number_bool(uint8_t value)
{
    return value != 0;
}

INLINE double number_i8(int8_t value)
{
    return value;
}

/* Converts a float16 to float. The exponent of a float16 has the bias 15, that of a float 127: their difference is
 * added in the float's exponent field. A subnormal float16 is a whole number of 2^-24, which needs no subnormal float,
 * so that it is the same where the processor takes these for 0. Infinity and NaN get the largest exponent. */
INLINE float number_f16(uint16_t half)
{
    uint32_t magnitude = half & 0x7fff;
    uint32_t bits = (magnitude << 13) + ((127u - 15u) << 23);
    float number = (float)(int32_t)magnitude * 0x1p-24f;
    uint32_t bits_of_subnormal;
    memcpy(&bits_of_subnormal, &number, sizeof number);
    bits = magnitude < 0x0400 ? bits_of_subnormal : bits;
    bits |= magnitude >= 0x7c00 ? 0x7f800000u : 0u;
    bits |= (uint32_t)(half & 0x8000) << 16;
    memcpy(&number, &bits, sizeof number);
    return number;
}

#if defined(VECTOR_TYPES) && defined(__AVX2__)
INLINE lanes_f64 doubles_of_int32(__m256i eight)
{
#if defined(__AVX512F__)
    return (lanes_f64){{(piece_f64)_mm512_cvtepi32_pd(eight)}};
#else
    return (lanes_f64){{(piece_f64)_mm256_cvtepi32_pd(_mm256_castsi256_si128(eight)),
        (piece_f64)_mm256_cvtepi32_pd(_mm256_extracti128_si256(eight, 1))}};
#endif
}

INLINE lanes_f64 load_u8(const uint8_t *x)
{
    return doubles_of_int32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)x)));
}

INLINE lanes_f64 load_bool(const uint8_t *x)
{
    __m128i eight = _mm_min_epu8(_mm_loadl_epi64((const __m128i *)x), _mm_set1_epi8(1));
    return doubles_of_int32(_mm256_cvtepu8_epi32(eight));
}

INLINE lanes_f64 load_i8(const int8_t *x)
{
    return doubles_of_int32(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)x)));
}

INLINE lanes_f32 load_f16(const uint16_t *x)
{
    return (lanes_f32){{(piece_f32)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)x))}};
}
#else
/* Compilers vectorize these loops where the instruction set allows it. */
INLINE lanes_f64 load_u8(const uint8_t *x)
{
    double wide[LANES];
    lanes_f64 v;
    for (int k = 0; k < LANES; k++)
        wide[k] = x[k];
    memcpy(&v, wide, sizeof v);
    return v;
}

INLINE lanes_f64 load_bool(const uint8_t *x)
{
    double wide[LANES];
    lanes_f64 v;
    for (int k = 0; k < LANES; k++)
        wide[k] = x[k] != 0;
    memcpy(&v, wide, sizeof v);
    return v;
}

INLINE lanes_f64 load_i8(const int8_t *x)
{
    double wide[LANES];
    lanes_f64 v;
    for (int k = 0; k < LANES; k++)
        wide[k] = x[k];
    memcpy(&v, wide, sizeof v);
    return v;
}

INLINE lanes_f32 load_f16(const uint16_t *x)
{
    float wide[LANES];
    lanes_f32 v;
    for (int k = 0; k < LANES; k++)
        wide[k] = number_f16(x[k]);
    memcpy(&v, wide, sizeof v);
    return v;
}
#endif

INLINE lanes_f64 load_part_u8(const uint8_t *x, ptrdiff_t count)
{
    uint8_t padded[LANES] = {0};
    for (ptrdiff_t k = 0; k < count; k++)
        padded[k] = x[k];
    return load_u8(padded);
}

INLINE lanes_f64 load_part_bool(const uint8_t *x, ptrdiff_t count)
{
    uint8_t padded[LANES] = {0};
    for (ptrdiff_t k = 0; k < count; k++)
        padded[k] = x[k];
    return load_bool(padded);
}

INLINE lanes_f64 load_part_i8(const int8_t *x, ptrdiff_t count)
{
    int8_t padded[LANES] = {0};
    for (ptrdiff_t k = 0; k < count; k++)
        padded[k] = x[k];
    return load_i8(padded);
}

INLINE lanes_f32 load_part_f16(const uint16_t *x, ptrdiff_t count)
{
    uint16_t padded[LANES] = {0};
    for (ptrdiff_t k = 0; k < count; k++)
        padded[k] = x[k];
    return load_f16(padded);
}

#endif
