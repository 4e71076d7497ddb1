/* Lets teams of no to five helpers add up blocks as the compiled kernels do, under ThreadSanitizer. Prints how many blocks
   the helpers did. With PLANTED_RACE the threads count arrivals without an atomic operation. */

#include "vector/atomics.h"

#ifdef PLANTED_RACE
#define second_to_come(place) ((*(place))++)
#endif

#include "vector/team.h"

#include <pthread.h>
#include <stdio.h>

enum { HELPERS = 5, BLOCKS = 37, ROUNDS = 20000 };

static pthread_t caller;
static long by_helpers;

/* What the Numba kernel hands to `sum_job`: sums one block at a time into the array at address `job`. */
static Py_ssize_t sum_blocks(Py_ssize_t job, Py_ssize_t first, Py_ssize_t last, Py_ssize_t scratch)
{
    *(double *)scratch = 1.5;
    for (volatile int busy = 0; busy < 600; busy++)
        ;
    for (Py_ssize_t block = first; block < last; block++)
        ((double *)job)[block] = *(double *)scratch * (double)block;
    if (!pthread_equal(pthread_self(), caller))
        __atomic_fetch_add(&by_helpers, 1, __ATOMIC_RELAXED);
    return 0;
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
        double sums[BLOCKS] = {0};
        Team team = {sum_job, round % (HELPERS + 1), all};
        Py_ssize_t at = (Py_ssize_t)sums;
        Py_ssize_t done = team.sum_job((Py_ssize_t)&team, (Py_ssize_t)sum_blocks, at, BLOCKS, at, 1, sizeof(double));
        if (done != 0 || sums[0] != 1.5 * (BLOCKS * (BLOCKS - 1) / 2)) {
            printf("round %d: %g\n", round, sums[0]);
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
