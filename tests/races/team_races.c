/* Lets teams of no to five helpers add up blocks as the Cython kernel does, under ThreadSanitizer. Prints how many blocks
   the helpers did. With PLANTED_RACE the threads count arrivals without an atomic operation. */

#include "vector/team.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { HELPERS = 5, BLOCKS = 37, ROUNDS = 20000 };

typedef struct {
    long long next;
    unsigned char marks[BLOCKS];
    double sums[BLOCKS];
} Job;

static pthread_t caller;
static long by_helpers;

static int is_second(unsigned char *mark)
{
#ifdef PLANTED_RACE
    return (*mark)++;
#else
    return second_to_come(mark);
#endif
}

static void add_up(Job *job, Py_ssize_t block)
{
    for (Py_ssize_t half = 1; half < BLOCKS; half *= 2) {
        Py_ssize_t left = block / (2 * half) * (2 * half), right = left + half;
        if (right < BLOCKS) {
            if (!is_second(job->marks + right))
                return;
            job->sums[left] += job->sums[right];
        }
    }
}

static void do_blocks(void *context)
{
    Job *job = context;
    for (Py_ssize_t block; (block = claim(&job->next)) < BLOCKS; add_up(job, block)) {
        for (volatile int busy = 0; busy < 600; busy++)
            ;
        job->sums[block] = 1.5 * (double)block;
        if (!pthread_equal(pthread_self(), caller))
            __atomic_fetch_add(&by_helpers, 1, __ATOMIC_RELAXED);
    }
}

static void *serve(void *seat)
{
    seat_serve(seat);
    return NULL;
}

int main(void)
{
    Seat seats[HELPERS], *all[HELPERS];
    pthread_t helpers[HELPERS];
    caller = pthread_self();
    for (int i = 0; i < HELPERS; i++) {
        all[i] = &seats[i];
        if (!seat_open(&seats[i]) || pthread_create(&helpers[i], NULL, serve, &seats[i]) != 0)
            return 2;
    }
    for (int round = 0; round < ROUNDS; round++) {
        Job job;
        memset(&job, 0, sizeof job);
        Team team = {round % (HELPERS + 1), all};
        team_do(&team, do_blocks, &job);
        if (job.sums[0] != 1.5 * (BLOCKS * (BLOCKS - 1) / 2)) {
            printf("round %d: %g\n", round, job.sums[0]);
            return 1;
        }
    }
    for (int i = 0; i < HELPERS; i++) {
        team_set(&seats[i].errand, 1);
        seat_wake(&seats[i], this_core());
        pthread_join(helpers[i], NULL);
        seat_close(&seats[i]);
    }
    printf("%ld\n", by_helpers);
    return 0;
}
