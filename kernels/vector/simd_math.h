/* exp of a non-positive number and log1p on [0, 1], without branches, so that compilers vectorize loops over them.
 *
 * Every result has the same bits on every instruction set, as long as the compiler never contracts a multiplication and
 * an addition into one rounding:
 *
 *     -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off
 *
 * The stated error bounds add up all roundings, to nearest. The largest measured errors are 1.004 ULP (exp) and 1.295
 * ULP (log1p) for double, over millions of arguments, and 0.990 and 1.316 ULP for float, over every argument. NaN in,
 * NaN out. tools/derive_coefficients.py derives every block of constants below, and its --check compares this file with
 * them.
 *
 * Cody & Waite: Software Manual for the Elementary Functions, Prentice-Hall 1980.
 * Muller: Elementary Functions, Algorithms and Implementation, 3rd ed., Birkhaeuser 2016.
 * Tang: Table-driven implementation of the exponential function in IEEE floating-point arithmetic,
 *     ACM Transactions on Mathematical Software 15 (1989), 144-157.
 */
#ifndef SIMD_MATH_H
#define SIMD_MATH_H

#include <stdint.h>
#include <string.h>

#if defined(__FAST_MATH__) || defined(_M_FP_FAST)
#error "simd_math.h relies on the order of its operations: compile without -ffast-math"
#endif
#if defined(__FLT_EVAL_METHOD__) && __FLT_EVAL_METHOD__ == 2
#error "simd_math.h relies on each operation being rounded to its own type: compile for SSE2"
#endif
#ifdef _MSC_VER
#pragma fp_contract(off) /* MSVC's equivalent of -ffp-contract=off */
#endif

/* exp(x) for x <= 0, within 1.1 ULP; 0 where exp(x) is below the smallest normal number. */
static inline double exp_of_negative_f64(double x)
{
    const double log2_e = 0x1.71547652b82fep+0; /* 1.4426950408889634 */
    const double ln2_high = 0x1.62e42fefa3800p-1; /* 0.69314718055989033 */
    const double ln2_low = 0x1.ef35793c76730p-45; /* 5.4979230187083712e-14 */
    const double first_normal = -0x1.6232bdd7abcd2p+9; /* -708.39641853226408 */

    /* (exp(r) - 1 - r) / r^2 for |r| <= ln(2)/2: relative error 2^-56.33. */
    const double c2 = 0x1.000000000000ap-1; /* 0.50000000000000111 */
    const double c3 = 0x1.55555555554fap-3; /* 0.16666666666666413 */
    const double c4 = 0x1.555555555088cp-5; /* 0.041666666666530267 */
    const double c5 = 0x1.1111111127b9dp-7; /* 0.0083333333334943364 */
    const double c6 = 0x1.6c16c184266dep-10; /* 0.0013888888943597781 */
    const double c7 = 0x1.a01a012a69052p-13; /* 0.00019841269506770898 */
    const double c8 = 0x1.a0199a16df60cp-16; /* 2.4801493136097612e-05 */
    const double c9 = 0x1.71df253be4167p-19; /* 2.7557586274666723e-06 */
    const double c10 = 0x1.28ad68a509e1dp-22; /* 2.7630233951018168e-07 */
    const double c11 = 0x1.ad7f77fea9cb0p-26; /* 2.5000069565431402e-08 */

    /* Adding 1.5 * 2^52 rounds to the integer k and leaves k in the low bits (Muller 2016, on range reduction); SSE2
     * and AVX2 have no conversion to a 64-bit integer. The same addition adds the exponent's bias, so that one shift
     * turns those bits into the number 2^k. */
    const double shift = 0x1.8p+52 + 1023.0;
    const double shifted = x * log2_e + shift;
    const double k = shifted - shift;
    uint64_t bits;
    double two_to_k;
    memcpy(&bits, &shifted, sizeof bits);
    bits <<= 52;
    memcpy(&two_to_k, &bits, sizeof two_to_k);

    /* Cody & Waite 1980: ln2_high ends in ten zero bits, so for |k| <= 1022 the product and the difference are exact,
     * and r has one rounding error only. */
    const double r = (x - k * ln2_high) - k * ln2_low;

    /* Pairs of terms, then Horner's rule in r^2: no more operations than Horner's rule in r and nearly half its
     * latency, which limits the speed of the loop. */
    const double r2 = r * r;
    const double high_terms = (c6 + c7 * r) + r2 * ((c8 + c9 * r) + r2 * (c10 + c11 * r));
    const double quotient = (c2 + c3 * r) + r2 * ((c4 + c5 * r) + r2 * high_terms);

    /* The largest term is added last (Tang 1989), so that at most one rounding is as large as a unit of the result.
     * Multiplying by 2^k, unlike adding to the exponent's bits, preserves NaN. */
    const double y = (1.0 + (r + r2 * quotient)) * two_to_k;

    /* Below first_normal, k may be out of range or infinite, and y is meaningless. */
    return x < first_normal ? 0.0 : y;
}

/* log1p(e) for e in [0, 1], within 1.5 ULP, for subnormal e too. */
static inline double log1p_of_unit_f64(double e)
{
    /* (log((1+s)/(1-s)) - 2 s) / s^3 in z = s^2 <= 1/9: relative error 2^-58.56. */
    const double c0 = 0x1.5555555555535p-1; /* 0.66666666666666308 */
    const double c1 = 0x1.99999999a06c1p-2; /* 0.40000000000155117 */
    const double c2 = 0x1.249249209112ep-2; /* 0.2857142854811795 */
    const double c3 = 0x1.c71c741a0669fp-3; /* 0.22222223953649675 */
    const double c4 = 0x1.745cb459b54a6p-3; /* 0.18181744478957745 */
    const double c5 = 0x1.3b1dd3ac7fc96p-3; /* 0.15386548395324401 */
    const double c6 = 0x1.10682edcb8d1bp-3; /* 0.13301121340837416 */
    const double c7 = 0x1.efd18cf6ebb9cp-4; /* 0.12104945244094129 */
    const double c8 = 0x1.55cf59cdc5d88p-4; /* 0.083449698253721505 */
    const double c9 = 0x1.5c5c218c775c9p-3; /* 0.17009760103148455 */

    /* 1 + e = (1+s)/(1-s). One division costs less than the ten additional terms that a polynomial in e needs on [0, 1]
     * for the same error. */
    const double s = e / (2.0 + e);
    const double z = s * s;
    const double w = z * z;
    const double high_terms = (c4 + c5 * z) + w * ((c6 + c7 * z) + w * (c8 + c9 * z));
    const double quotient = (c0 + c1 * z) + w * ((c2 + c3 * z) + w * high_terms);

    /* 2 s = e - e s turns the series 2 s + s z q (Muller 2016, on the logarithm) into this form: e is exact, and the
     * roundings of s affect only a correction that vanishes with e. */
    return e - s * (e - z * quotient);
}

/* log1p(s) for s in [0, 2^1023], within 2 ULP: the logarithm of a product of numbers >= 1, given minus 1. */
static inline double log1p_of_product(double s)
{
    const double ln2 = 0x1.62e42fefa39efp-1; /* 0.69314718055994529 */

    if (!(s > 1.0))
        return log1p_of_unit_f64(s);

    /* 1 + s = 2^k f with 1 <= f < 2. The rounding of 1 + s changes the result, which is at least log(2), by less than
     * one unit in the last place. */
    const double product = 1.0 + s;
    uint64_t bits;
    double f;
    memcpy(&bits, &product, sizeof bits);
    const double k = (double)(int)(bits >> 52) - 1023.0;
    bits = (bits & 0xfffffffffffffu) | 0x3ff0000000000000u;
    memcpy(&f, &bits, sizeof f);
    return k * ln2 + log1p_of_unit_f64(f - 1.0);
}

/* exp(x) for x <= 0, within 1 ULP; 0 where exp(x) is below the smallest normal number. The comments in
 * exp_of_negative_f64 apply here too. */
static inline float exp_of_negative_f32(float x)
{
    const float log2_e = 0x1.715476p+0f; /* 1.44269502 */
    const float ln2_high = 0x1.62e400p-1f; /* 0.693145752 */
    const float ln2_low = 0x1.7f7d1cp-20f; /* 1.42860677e-06 */
    const float first_normal = -0x1.5d589ep+6f; /* -87.3365402 */

    /* (exp(r) - 1 - r) / r^2 for |r| <= ln(2)/2: relative error 2^-27.96. */
    const float c2 = 0x1.fffffcp-2f; /* 0.49999994 */
    const float c3 = 0x1.555492p-3f; /* 0.166665211 */
    const float c4 = 0x1.5558f2p-5f; /* 0.041668389 */
    const float c5 = 0x1.1239d4p-7f; /* 0.00836871006 */
    const float c6 = 0x1.6a244cp-10f; /* 0.00138146128 */

    const float shift = 0x1.8p+23f + 127.0f;
    const float shifted = x * log2_e + shift;
    const float k = shifted - shift;
    uint32_t bits;
    float two_to_k;
    memcpy(&bits, &shifted, sizeof bits);
    bits <<= 23;
    memcpy(&two_to_k, &bits, sizeof two_to_k);

    /* ln2_high ends in seven zero bits: |k| <= 126. */
    const float r = (x - k * ln2_high) - k * ln2_low;

    const float r2 = r * r;
    const float quotient = (c2 + c3 * r) + r2 * ((c4 + c5 * r) + r2 * c6);
    const float y = (1.0f + (r + r2 * quotient)) * two_to_k;

    return x < first_normal ? 0.0f : y;
}

/* log1p(e) for e in [0, 1], within 1.5 ULP, for subnormal e too.
 * The comments in log1p_of_unit_f64 apply here too. */
static inline float log1p_of_unit_f32(float e)
{
    /* (log((1+s)/(1-s)) - 2 s) / s^3 in z = s^2 <= 1/9: relative error 2^-27.46. */
    const float c0 = 0x1.555502p-1f; /* 0.666664183 */
    const float c1 = 0x1.99d208p-2f; /* 0.400215268 */
    const float c2 = 0x1.1ebd0ep-2f; /* 0.280018061 */
    const float c3 = 0x1.1ed7bep-2f; /* 0.280119866 */

    const float s = e / (2.0f + e);
    const float z = s * s;
    const float quotient = (c0 + c1 * z) + (z * z) * (c2 + c3 * z);

    return e - s * (e - z * quotient);
}

#endif
