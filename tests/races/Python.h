/* Stands in for Python's header where team.h is compiled without Python. */
#include <stddef.h>
typedef ptrdiff_t Py_ssize_t;
