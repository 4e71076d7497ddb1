/* Detects the instruction sets that both the processor and the operating system support. */
#ifndef GRADSTEP_PROCESSOR_H
#define GRADSTEP_PROCESSOR_H

#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)

static int processor_has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

static int processor_has_avx512(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512vl");
}

#elif defined(_M_X64)

#include <immintrin.h>
#include <intrin.h>

/* Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, sections 14.3 and 15.2: check first that the
 * operating system uses XSAVE, then which registers it saves, then the instruction sets themselves. */
static int processor_has(unsigned saved_registers, int features_of_leaf_7)
{
    int leaf[4];
    __cpuid(leaf, 0);
    if (leaf[0] < 7)
        return 0;
    __cpuid(leaf, 1);
    const int osxsave_fma_and_f16c = (1 << 27) | (1 << 12) | (1 << 29);
    if ((leaf[2] & osxsave_fma_and_f16c) != osxsave_fma_and_f16c)
        return 0;
    if ((_xgetbv(0) & saved_registers) != saved_registers)
        return 0;
    __cpuidex(leaf, 7, 0);
    return (leaf[1] & features_of_leaf_7) == features_of_leaf_7;
}

static int processor_has_avx2(void)
{
    return processor_has(0x06, 1 << 5);
}

static int processor_has_avx512(void)
{
    return processor_has(0xe6, (1 << 5) | (1 << 16) | (1 << 17) | (1 << 30) | (int)(1u << 31));
}

#else

static int processor_has_avx2(void)
{
    return 0;
}

static int processor_has_avx512(void)
{
    return 0;
}

#endif

#endif
