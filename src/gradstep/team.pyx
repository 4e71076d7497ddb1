# cython: language_level=3
"""Helper threads that wait for work, and do what a compiled kernel posts to them, without the interpreter."""

cimport cython
from cpython.mem cimport PyMem_RawFree, PyMem_RawMalloc
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_New

cdef extern from "vector/team.h" nogil:
    ctypedef struct SeatOfTeam "Seat":
        long errand
    ctypedef struct Team:
        void *sum_job
        Py_ssize_t helpers
        SeatOfTeam **seats
    bint seat_open(SeatOfTeam *seat)
    void seat_close(SeatOfTeam *seat)
    void seat_wake(SeatOfTeam *seat, int core)
    int this_core()
    void seat_serve(SeatOfTeam *seat)
    void team_set(long *place, long value)
    void *sum_job


cdef class Seat:
    """Where a helper thread waits. It outlives the thread."""

    cdef SeatOfTeam *_seat
    cdef object _errand

    def __cinit__(self):
        self._seat = <SeatOfTeam *> PyMem_RawMalloc(sizeof(SeatOfTeam))
        if self._seat == NULL:
            raise MemoryError
        if not seat_open(self._seat):
            raise MemoryError

    def __dealloc__(self):
        if self._seat != NULL:
            seat_close(self._seat)
            PyMem_RawFree(self._seat)

    def send(self, errand):
        """Let the helper's `wait` return `errand`, instead of one that it has not fetched yet."""
        with cython.critical_section(self):
            self._errand = errand
            team_set(&self._seat.errand, 1)
        seat_wake(self._seat, this_core())

    def wait(self):
        """Do what kernels post, until there is an errand, and return it; for the helper alone."""
        with nogil:
            seat_serve(self._seat)
        with cython.critical_section(self):
            team_set(&self._seat.errand, 0)
            errand, self._errand = self._errand, None
        return errand


cdef void _free(object capsule) noexcept:
    cdef Team *team = <Team *> PyCapsule_GetPointer(capsule, "gradstep.team")
    PyMem_RawFree(team.seats)
    PyMem_RawFree(team)


def of(list seats):
    """Return a team as a compiled kernel takes it, with the helpers in these seats, which have to outlive it."""
    cdef Py_ssize_t number
    cdef Seat seat
    cdef Team *team = <Team *> PyMem_RawMalloc(sizeof(Team))
    if team == NULL:
        raise MemoryError
    team.sum_job = sum_job
    team.helpers = len(seats)
    team.seats = <SeatOfTeam **> PyMem_RawMalloc(max(1, team.helpers) * sizeof(SeatOfTeam *))
    if team.seats == NULL:
        PyMem_RawFree(team)
        raise MemoryError
    for number in range(team.helpers):
        seat = seats[number]
        team.seats[number] = seat._seat
    return PyCapsule_New(team, "gradstep.team", &_free)
