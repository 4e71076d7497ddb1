/* Waits for a lock: first awake, then asleep.

To wake a thread that sleeps takes 50 microseconds and more where its core sleeps too, as in a virtual machine: as long
as a block takes. So a thread that expects to be needed soon stays awake for a while. On two cores a pass over 16 MiB at
n = 100, repeated, takes 0.53 of the time of one thread, and 0.8 to 1.0 if the helper sleeps between passes. */

#ifndef GRADSTEP_WAITING_H
#define GRADSTEP_WAITING_H

#include <Python.h>
#include <pythread.h>

#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif
#ifdef _MSC_VER
#include <intrin.h>
#endif

/* How long a thread stays awake, in seconds: longer than Python takes between two passes of an optimizer. With half of
   it a pass over 4 MiB gains nothing from a second thread, with twice as much no pass is faster. */
#define SECONDS_AWAKE 100e-6

static inline double seconds_now(void)
{
#ifdef _WIN32
    LARGE_INTEGER ticks, ticks_per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&ticks_per_second);
    return (double)ticks.QuadPart / (double)ticks_per_second.QuadPart;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
#endif
}

/* Leave the core to its other thread for an instant. */
static inline void relax(void)
{
#if defined _MSC_VER && (defined _M_X64 || defined _M_IX86)
    _mm_pause();
#elif defined _MSC_VER
    __yield();
#elif defined __x86_64__ || defined __i386__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

/* Acquire a lock that another thread will release, and return whether that was soon. Stay awake at first if `awake`. */
static int acquire_awake(PyThread_type_lock lock, int awake)
{
    double until = seconds_now() + SECONDS_AWAKE;
    if (awake)
        do {
            for (int tries = 0; tries < 16; tries++) {
                if (PyThread_acquire_lock(lock, NOWAIT_LOCK))
                    return 1;
                relax();
            }
        } while (seconds_now() < until);
    PyThread_acquire_lock(lock, WAIT_LOCK);
    return seconds_now() < until;
}

#endif
