/* What threads do to a number that others may change at the same time. */

#ifndef GRADSTEP_ATOMICS_H
#define GRADSTEP_ATOMICS_H

#include <Python.h>

#ifdef _MSC_VER
#include <intrin.h>
#endif

/* Set `*place` to `wanted` if it is `expected`; return whether it was. What was written before is then seen by whoever
   sees `wanted`. */
static inline int team_swap(long *place, long expected, long wanted)
{
#ifdef _MSC_VER
    return _InterlockedCompareExchange(place, wanted, expected) == expected;
#else
    return __atomic_compare_exchange_n(place, &expected, wanted, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
#endif
}

static inline void team_set(long *place, long value)
{
#ifdef _MSC_VER
    _InterlockedExchange(place, value);
#else
    __atomic_store_n(place, value, __ATOMIC_RELEASE);
#endif
}

static inline long team_get(long *place)
{
#ifdef _MSC_VER
    return _InterlockedOr(place, 0);
#else
    return __atomic_load_n(place, __ATOMIC_ACQUIRE);
#endif
}

/* Return the next number that nobody has claimed yet, from 0 on. */
static inline Py_ssize_t claim(long long *next)
{
#ifdef _MSC_VER
    return (Py_ssize_t)_InterlockedExchangeAdd64(next, 1);
#else
    return (Py_ssize_t)__atomic_fetch_add(next, 1, __ATOMIC_RELAXED);
#endif
}

/* Return whether the other of two has been here: the second one to come sees all that the first one wrote. */
static inline int second_to_come(unsigned char *place)
{
#ifdef _MSC_VER
    return _InterlockedExchange8((char *)place, 1);
#else
    return __atomic_exchange_n(place, 1, __ATOMIC_ACQ_REL);
#endif
}

#endif
