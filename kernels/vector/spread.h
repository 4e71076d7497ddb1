/* Keeps the threads of a team on different cores.

Linux wakes a thread on the core where it slept, and looks for an idle one only while the machine has little to do. So
two threads of a team that have once been on one core go on sharing it, each at half its speed, until the balancing of
some milliseconds later: longer than most passes. Elsewhere this file does nothing. */

#ifndef GRADSTEP_SPREAD_H
#define GRADSTEP_SPREAD_H

#ifdef __linux__
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
    /* The thread, and the core where it went to sleep; -1 while it has not. */
    int thread, core;
    /* Whether it is to go back to all of its cores. */
    int is_confined;
    cpu_set_t all, confined;
} Whereabouts;

static void spread_begin(Whereabouts *of)
{
    of->thread = -1;
    of->core = -1;
    of->is_confined = 0;
}

/* Note where this thread, a helper, goes to sleep. */
static inline void spread_sleep(Whereabouts *mine)
{
    if (mine->thread < 0)
        __atomic_store_n(&mine->thread, (int)syscall(SYS_gettid), __ATOMIC_RELAXED);
    __atomic_store_n(&mine->core, sched_getcpu(), __ATOMIC_RELEASE);
}

/* Let this thread, a helper that has woken up, use all of its cores again, unless somebody else has changed them. */
static inline void spread_wake(Whereabouts *mine)
{
    if (!__atomic_load_n(&mine->is_confined, __ATOMIC_ACQUIRE))
        return;
    cpu_set_t now;
    if (!sched_getaffinity(0, sizeof now, &now) && CPU_EQUAL(&now, &mine->confined))
        sched_setaffinity(0, sizeof mine->all, &mine->all);
    __atomic_store_n(&mine->is_confined, 0, __ATOMIC_RELEASE);
}

/* Begin a set of the cores that a team uses: the caller's. */
static inline void spread_caller(cpu_set_t *taken)
{
    int core = sched_getcpu();
    CPU_ZERO(taken);
    if (0 <= core && core < CPU_SETSIZE)
        CPU_SET(core, taken);
}

/* Let a sleeping helper wake up on a core that is not taken, and take the one where it slept if it can stay there. */
static inline void spread_helper(Whereabouts *of, cpu_set_t *taken)
{
    int core = __atomic_load_n(&of->core, __ATOMIC_ACQUIRE);
    if (core < 0 || core >= CPU_SETSIZE)
        return;
    if (!CPU_ISSET(core, taken)) {
        CPU_SET(core, taken);
        return;
    }
    if (__atomic_load_n(&of->is_confined, __ATOMIC_ACQUIRE))
        return;
    /* Where the system refuses, or no core is left, the helper stays where it is. */
    if (sched_getaffinity(of->thread, sizeof of->all, &of->all))
        return;
    cpu_set_t shared;
    CPU_AND(&shared, &of->all, taken);
    CPU_XOR(&of->confined, &of->all, &shared);
    if (CPU_COUNT(&of->confined) == 0)
        return;
    __atomic_store_n(&of->is_confined, 1, __ATOMIC_RELEASE);
    if (sched_setaffinity(of->thread, sizeof of->confined, &of->confined))
        __atomic_store_n(&of->is_confined, 0, __ATOMIC_RELEASE);
}
#endif

#endif
