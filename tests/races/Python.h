/* Stands in for Python's header where team.h is compiled without Python. */
#ifndef STAND_IN_PYTHON_H
#define STAND_IN_PYTHON_H

/* As Python's own does. */
#define _GNU_SOURCE 1
#include <stddef.h>
typedef ptrdiff_t Py_ssize_t;

#endif
