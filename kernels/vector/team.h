/* A team: a caller and the helper threads that do its work with it. None of them needs the interpreter meanwhile.

Each helper sits in a seat. The caller posts work to the seats, does its own part, and then waits for those helpers that
have begun; what a helper has not begun by then, the caller takes back. The work itself says who does which part of it:
see `Blocks`. Python's locks serve to sleep, because they exist on every system and may be used without the GIL. */

#ifndef GRADSTEP_TEAM_H
#define GRADSTEP_TEAM_H

#include <Python.h>
#include <pythread.h>
#include <stdlib.h>

#include "atomics.h"
#include "cores.h"
#include "waiting.h"

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
    /* How often in a row the helper had to wait long. It stays awake unless that was so twice: a single long wait may
       be the trial of a way with fewer threads. */
    int long_waits;
    Cores cores;
} Seat;

typedef struct {
    /* `sum_job`, for kernels that are compiled at run time: they know this address of a team and nothing else. */
    Py_ssize_t (*sum_job)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t);
    Py_ssize_t helpers;
    Seat **seats;
} Team;

/* Blocks that are claimed one by one, and added up in the order of `gradstep.tree`. */
typedef struct {
    /* The sums of each block, of so many numbers. */
    double *sums;
    Py_ssize_t width, count;
    /* The first block that no thread has claimed. */
    long long next;
    /* NULL, or a mark for each block, zero at first: then the sums are added up, and those of the first block are all.
     */
    unsigned char *marks;
} Blocks;

/* Make the locks of a seat; return 0 where there is no memory for them. */
static int seat_open(Seat *seat)
{
    seat->state = SEAT_EMPTY;
    seat->errand = 0;
    seat->long_waits = 0;
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
        if (acquire_awake(seat->wake, seat->long_waits < 2))
            seat->long_waits = 0;
        else if (seat->long_waits < 2)
            seat->long_waits++;
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

/* Return the next block that no thread has claimed; there is none from `count` on. */
static inline Py_ssize_t claim_block(Blocks *blocks)
{
    return claim(&blocks->next);
}

/* Add the sums of a block to those of its neighbours, up the tree. A node is added by the thread that finishes the
   second of its halves. Its mark is that of the first block of its right half, which is no other node's. */
static void add_up(Blocks *blocks, Py_ssize_t block)
{
    if (blocks->marks == NULL)
        return;
    for (Py_ssize_t half = 1; half < blocks->count; half *= 2) {
        Py_ssize_t left = block / (2 * half) * (2 * half), right = left + half;
        if (right >= blocks->count)
            continue;
        if (!second_to_come(blocks->marks + right))
            return;
        double *sums = blocks->sums + left * blocks->width;
        const double *others = blocks->sums + right * blocks->width;
        for (Py_ssize_t j = 0; j < blocks->width; j++)
            sums[j] += others[j];
    }
}

/* Let a team claim blocks, sum them and add them up. Return -1 where there is no memory, else 0. A thread that has none
   claims no block; it leaves them to the others. */
static int sum_together(Team *team, Blocks *blocks, void (*work)(void *context), void *context)
{
    blocks->next = 0;
    blocks->marks = (unsigned char *)calloc((size_t)blocks->count, 1);
    if (blocks->marks == NULL)
        return -1;
    team_do(team, work, context);
    free(blocks->marks);
    return blocks->next >= blocks->count ? 0 : -1;
}

typedef struct {
    Blocks blocks;
    /* Sums the blocks from `first` up to `last` of a job. */
    Py_ssize_t (*sum_blocks)(Py_ssize_t job, Py_ssize_t first, Py_ssize_t last, Py_ssize_t scratch);
    Py_ssize_t job, scratch_bytes;
} SharedJob;

static void sum_part_of_job(void *context)
{
    SharedJob *shared = (SharedJob *)context;
    char *memory = (char *)malloc((size_t)shared->scratch_bytes + 64);
    if (memory == NULL)
        return;
    /* From a cache line on. */
    Py_ssize_t scratch = ((Py_ssize_t)memory + 63) / 64 * 64;
    for (Py_ssize_t block; (block = claim_block(&shared->blocks)) < shared->blocks.count;) {
        shared->sum_blocks(shared->job, block, block + 1, scratch);
        add_up(&shared->blocks, block);
    }
    free(memory);
}

/* Let a team sum the blocks of a job, and add them up, with code and memory at these addresses; `sum_blocks` may be
   called by several threads at once, each with scratch memory of its own. Return -1 where there is no memory, else 0.
 */
static Py_ssize_t sum_job(Py_ssize_t team, Py_ssize_t sum_blocks, Py_ssize_t job, Py_ssize_t blocks, Py_ssize_t sums,
    Py_ssize_t width, Py_ssize_t scratch_bytes)
{
    SharedJob shared = {
        {(double *)sums, width, blocks, 0, NULL},
        (Py_ssize_t (*)(Py_ssize_t, Py_ssize_t, Py_ssize_t, Py_ssize_t))sum_blocks,
        job,
        scratch_bytes,
    };
    return sum_together((Team *)team, &shared.blocks, sum_part_of_job, &shared);
}

#endif
