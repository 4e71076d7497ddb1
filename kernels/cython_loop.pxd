# The fastest kernel for other compiled code: plain C types, no Python, no GIL; for the processor that it runs on.
#
#     from gradstep.kernels.cython_loop cimport logistic_gradient_f64
#
# Every function is there for double (f64) and for float (f32). Arrays are addresses of their first numbers, aligned to
# their size. Distances ("strides") count numbers, not bytes. Nothing is written but what has no const, which shares no
# memory with the rest. Nothing of length m is allocated, no thread is started, and the bits are those of
# gradstep.gradient(..., kernel="cython").
#
#     X               m rows of n numbers; row_stride or column_stride is 1, the other may be any number
#     y               m labels in [0, 1]
#     sample_weight   m weights that are not negative, or NULL for all ones
#
# All but logistic_posterior return
#
#     0   done
#     1   an argument breaks the contract: a NULL that may not be, a size below 1, no stride of 1, an odd address
#     2   no memory for the scratch arrays
#     3   a result is not finite: the input holds a NaN or an infinity, a label outside [0, 1] or a negative weight, or
#         the computation overflows. The results are written all the same. Only the gradients return it.

# What logistic_posterior takes as user_data.
cdef struct Posterior:
    const double *X
    const double *y
    const double *sample_weight
    Py_ssize_t m, n, row_stride, column_stride
    # As in logistic_gradient_f64.
    double total_weight, l2
    # The cost at the minimum: there the density is 1, and does not underflow.
    double least_cost

# The cost J of one model and its derivatives:
#
#     J  = (1/total_weight) sum_i c_i [log(1 + exp(z_i)) - y_i z_i] + (l2/2) ||w||^2        z_i = w . x_i + b
#     dw = (1/total_weight) sum_i c_i (sigmoid(z_i) - y_i) x_i + l2 w                       n numbers
#     db = (1/total_weight) sum_i c_i (sigmoid(z_i) - y_i)
#
# total_weight is the sum of the weights, m without any.
cdef int logistic_gradient_f64(
    const double *X, Py_ssize_t m, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride,
    const double *y, const double *sample_weight, double total_weight,
    const double *w, double b, double l2, double *J, double *dw, double *db) noexcept nogil

cdef int logistic_gradient_f32(
    const float *X, Py_ssize_t m, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride,
    const float *y, const float *sample_weight, double total_weight,
    const float *w, double b, double l2, double *J, double *dw, double *db) noexcept nogil

# The kernel itself: the sums of each block of block_rows rows for each of k models, which gradstep.kernels describes.
#
#     theta           k rows of n + 1 numbers: w and b of each model
#     direction       as many, or NULL: the sums are then those of the Hessian times it
#     y_stride        the distance of the labels of two models, 0 where all have the same; weight_stride likewise
#     out             ceil(m / block_rows) times k times n + 2 numbers
#
# What is not finite, a label outside [0, 1] and a negative weight make the last number of n + 2 NaN or infinite.
cdef int logistic_sums_f64(
    const double *X, Py_ssize_t m, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride,
    const double *y, Py_ssize_t y_stride, const double *sample_weight, Py_ssize_t weight_stride,
    const double *theta, const double *direction, Py_ssize_t k, Py_ssize_t block_rows, double *out) noexcept nogil

cdef int logistic_sums_f32(
    const float *X, Py_ssize_t m, Py_ssize_t n, Py_ssize_t row_stride, Py_ssize_t column_stride,
    const float *y, Py_ssize_t y_stride, const float *sample_weight, Py_ssize_t weight_stride,
    const float *theta, const float *direction, Py_ssize_t k, Py_ssize_t block_rows, double *out) noexcept nogil

# exp(-total_weight (J - least_cost)) at [w, b], for SciPy's integrals: without a penalty the likelihood, with it
# the posterior under a Gaussian prior of w with precision l2 total_weight, both relative to their maximum. user_data is
# the address of a Posterior. NaN where the length is not n + 1, or a gradient would not return 0.
cdef double logistic_posterior(int length, double *theta, void *user_data) noexcept nogil
