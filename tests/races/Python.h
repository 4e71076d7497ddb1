/* Stands in for Python's header where team.h is compiled without Python. */
/* As Python's own does. */
#define _GNU_SOURCE 1
#include <stddef.h>
typedef ptrdiff_t Py_ssize_t;
