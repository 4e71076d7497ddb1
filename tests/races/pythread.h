/* Stands in for Python's locks, which are semaphores on Linux too. */
#ifndef STAND_IN_PYTHREAD_H
#define STAND_IN_PYTHREAD_H

#include <semaphore.h>
#include <stdlib.h>

#define NOWAIT_LOCK 0
#define WAIT_LOCK 1
typedef sem_t *PyThread_type_lock;

static PyThread_type_lock PyThread_allocate_lock(void)
{
    sem_t *lock = malloc(sizeof(sem_t));
    sem_init(lock, 0, 1);
    return lock;
}

static void PyThread_free_lock(PyThread_type_lock lock)
{
    sem_destroy(lock);
    free(lock);
}

static int PyThread_acquire_lock(PyThread_type_lock lock, int wait)
{
    return (wait ? sem_wait(lock) : sem_trywait(lock)) == 0;
}

static void PyThread_release_lock(PyThread_type_lock lock)
{
    sem_post(lock);
}

#endif
