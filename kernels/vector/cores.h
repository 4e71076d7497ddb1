/* Keeps a helper thread off its caller's core.

Linux likes to wake a thread on the core of the one that wakes it. In a virtual machine it does so even where another
core is idle, because that core looks as if the host had taken it away (`vcpu_is_preempted` and `available_idle_cpu` in
kernel/sched). Caller and helper then share one core until the system balances its load some milliseconds later, which
is longer than most passes: on two cores a pass over 128 MiB after a pause took as long as with one thread. A helper
that may not use the caller's core wakes where it slept.

Only Linux lets a program say so of a single core; elsewhere nothing happens here. */

#ifndef GRADSTEP_CORES_H
#define GRADSTEP_CORES_H

#ifdef __linux__
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef struct {
    /* The helper's number in the system; 0 until it has begun. */
    int thread;
    /* The core that it is kept off, or -1; the cores it might use otherwise, and those without that one. */
    int core;
    cpu_set_t all, others;
} Cores;

static inline int this_core(void)
{
    return sched_getcpu();
}

/* For the helper itself, before it waits for the first time. */
static inline void cores_begin(Cores *cores)
{
    __atomic_store_n(&cores->thread, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
}

/* Keep a helper that waits off a core. It stays off when it wakes up: most callers come back on the same core, and need
   no system call then. A helper that has no other core, or whose cores the system does not let us set, stays as it is.
 */
static inline void cores_keep_off(Cores *cores, int core)
{
    cpu_set_t now, others;
    int thread = __atomic_load_n(&cores->thread, __ATOMIC_ACQUIRE);
    if (core == cores->core || core < 0 || core >= CPU_SETSIZE || thread == 0
        || sched_getaffinity(thread, sizeof now, &now))
        return;
    /* Else somebody has changed them since. */
    if (cores->core >= 0 && CPU_EQUAL(&now, &cores->others))
        now = cores->all;
    others = now;
    CPU_CLR(core, &others);
    if (CPU_COUNT(&others) == 0 || sched_setaffinity(thread, sizeof others, &others))
        return;
    cores->core = core;
    cores->all = now;
    cores->others = others;
}
#else
typedef struct {
    int thread, core;
} Cores;

static inline int this_core(void)
{
    return -1;
}

static inline void cores_begin(Cores *cores)
{
    (void)cores;
}

static inline void cores_keep_off(Cores *cores, int core)
{
    (void)cores;
    (void)core;
}
#endif

static inline void cores_open(Cores *cores)
{
    cores->thread = 0;
    cores->core = -1;
}

#endif
