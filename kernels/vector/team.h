/* A team: a caller and the helper threads that do its work with it. None of them needs the interpreter meanwhile.

Each helper sits in a seat. The caller posts work to the seats, does its own part, and then waits for those helpers that
have begun; what a helper has not begun by then, the caller takes back. The work itself says who does which part of it:
see `claim`. Python's locks serve to sleep, because they exist on every system and may be used without the GIL. */

#ifndef GRADSTEP_TEAM_H
#define GRADSTEP_TEAM_H

#include <Python.h>
#include <pythread.h>

#include "cores.h"
#include "waiting.h"

#ifdef _MSC_VER
#include <intrin.h>
#endif

enum { SEAT_EMPTY, SEAT_POSTED, SEAT_RUNNING };

typedef struct {
    /* Free while there is something to look at: a semaphore, since whoever wakes the helper never held it. */
    PyThread_type_lock wake;
    /* Free from the end of some work until the caller has seen it. */
    PyThread_type_lock done;
    long state;
    void (*work)(void *context);
    void *context;
    /* Whether there is an errand for the interpreter. */
    long errand;
    /* Whether the helper was needed again at once, and so expects it to go on. */
    int stays_awake;
    Cores cores;
} Seat;

typedef struct {
    Py_ssize_t helpers;
    Seat **seats;
} Team;

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

/* Make the locks of a seat; return 0 where there is no memory for them. */
static int seat_open(Seat *seat)
{
    seat->state = SEAT_EMPTY;
    seat->errand = 0;
    seat->stays_awake = 0;
    cores_open(&seat->cores);
    seat->wake = PyThread_allocate_lock();
    seat->done = PyThread_allocate_lock();
    return seat->wake != NULL && seat->done != NULL && PyThread_acquire_lock(seat->wake, WAIT_LOCK)
        && PyThread_acquire_lock(seat->done, WAIT_LOCK);
}

static void seat_close(Seat *seat)
{
    if (seat->wake != NULL)
        PyThread_free_lock(seat->wake);
    if (seat->done != NULL)
        PyThread_free_lock(seat->done);
}

static void seat_wake(Seat *seat, int core)
{
    cores_keep_off(&seat->cores, core);
    PyThread_release_lock(seat->wake);
}

/* Do what is posted until there is an errand: what a helper does all its life. */
static void seat_serve(Seat *seat)
{
    cores_begin(&seat->cores);
    do {
        seat->stays_awake = acquire_awake(seat->wake, seat->stays_awake);
        if (team_swap(&seat->state, SEAT_POSTED, SEAT_RUNNING)) {
            seat->work(seat->context);
            team_set(&seat->state, SEAT_EMPTY);
            PyThread_release_lock(seat->done);
        }
    } while (!team_get(&seat->errand));
}

/* Do some work together. It has been done when this returns, if it is work that any number of threads can do. */
static void team_do(Team *team, void (*work)(void *context), void *context)
{
    Py_ssize_t helpers = team == NULL ? 0 : team->helpers;
    int core = this_core();
    for (Py_ssize_t i = 0; i < helpers; i++) {
        Seat *seat = team->seats[i];
        seat->work = work;
        seat->context = context;
        team_set(&seat->state, SEAT_POSTED);
        seat_wake(seat, core);
    }
    work(context);
    for (Py_ssize_t i = 0; i < helpers; i++)
        if (!team_swap(&team->seats[i]->state, SEAT_POSTED, SEAT_EMPTY))
            acquire_awake(team->seats[i]->done, 1);
}

#endif
