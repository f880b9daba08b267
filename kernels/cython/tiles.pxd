# What tiles.h and thread_pool.h declare, and the level chosen at import.
from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from "tiles.h" nogil:
    enum:
        CS_FROM_ZERO, CS_FROM_C, CS_FROM_BIAS, CS_LAST_FIRST, CS_STATES, CS_PHASES

    ctypedef struct cs_span:
        long rows, j0, j1, H, Hp, ldz, ldh
        const uint8_t *active
        int act, rec
        void *z
        const void *seen
        const void *before[4]  # CS_STATES
        void *after[4]
        void *dz
        void *dstates[4]
        void *dseen
        const void *dmade

    ctypedef void cs_elementwise(const cs_span *s) noexcept nogil

    ctypedef struct cs_cell:
        const char *name
        cs_elementwise *forward[2]  # CS_PHASES
        cs_elementwise *backward[2]

    ctypedef struct cs_panels:
        const void *data
        long K, N

    ctypedef struct cs_tiles:
        int VL, NR, PANEL
        void (*gemm)(long M, long K, const void *A, long lda, const cs_panels *B, long k0, long n0, long n, void *C,
                     long ldc, int start, const void *bias) noexcept nogil
        void (*gemm_tn)(long M, long n, const void *a, const long *a_at, const void *b, const long *b_at, long ncols,
                        void *C, long ldc, void *work) noexcept nogil
        size_t (*gemm_tn_work)(long M) noexcept nogil
        void (*column_sums)(long n, const void *b, const long *b_at, long ncols, void *sums) noexcept nogil
        void (*pack)(long K, long nv, const long *first, const long *count, const void *src, long ld,
                     void *dst) noexcept nogil
        void (*pack_transposed)(long M, long G, long H, long Hp, const void *src, void *dst) noexcept nogil
        void (*unpack_add)(long K, long G, long H, long Hp, const void *src, void *dst) noexcept nogil
        void (*add_rows)(long rows, long n, void *dst, long ldd, const void *src, long lds) noexcept nogil
        void (*multiply_rows)(long rows, long n, void *dst, long ldd, const void *a, long lda, const void *b, long ldb,
                              int add) noexcept nogil
        const cs_cell *cells
        void (*sgd)(long n, void *value, const void *grad, double rate) noexcept nogil
        void (*sgd_momentum)(long n, void *value, const void *grad, void *momentum, double rate, double decay,
                             int nesterov) noexcept nogil
        void (*adam)(long n, void *value, const void *grad, void *mean, void *square, void *largest, double alpha,
                     double c1, double c2, double epsilon) noexcept nogil
        void (*rmsprop)(long n, void *value, const void *grad, void *square, void *mean, void *velocity, double rate,
                        double rho, double c, double decay, double epsilon) noexcept nogil
        void (*activate)(int code, long n, const void *src, void *dst) noexcept nogil
        void (*softmax)(long rows, long n, void *p, long ld) noexcept nogil
        void (*mark_rows)(long rows, long n, double value, const void *src, long lds, void *dst, long ldd,
                          uint8_t *there) noexcept nogil
        void (*normalize)(long rows, long n, const void *x, double epsilon, const void *gamma, const void *beta,
                          void *y, void *normal, void *inverse) noexcept nogil
        void (*normalize_back)(long rows, long n, const void *dy, const void *normal, const void *inverse,
                               const void *gamma, void *dx) noexcept nogil
        void (*normalize_sums)(long rows, long n, const void *dy, const void *normal, void *dgamma,
                               void *dbeta) noexcept nogil
        double (*probe_fma)(long n, double *out) noexcept nogil
        double (*probe_read)(const void *p, long size, long times) noexcept nogil

    ctypedef struct cs_level:
        const char *name
        const cs_tiles *f32
        const cs_tiles *f64
    const cs_level cs_levels[]
    int cs_level_runs(const char *name)

cdef extern from "thread_pool.h" nogil:
    ctypedef void cs_work(void *job, int thread, int threads) noexcept nogil
    void cs_parallel(int threads, int64_t alone, cs_work *work, void *job)
    int cs_threads()
    void cs_limit_threads(int limit)
    int cs_has_openmp()
    void cs_barrier(int me, int threads)
    int64_t cs_barrier_cost(int threads, int64_t alone)
    uint64_t cs_float_mode_set(bint flush)
    void cs_float_mode_restore(uint64_t before)

cdef extern from "memory.h" nogil:
    void *cs_pool_take(size_t size)
    void cs_pool_return(void *memory)
    size_t cs_block_size(const void *memory)

# The functions of thread_pool.c, memory.c and the chosen tables, for the modules that do not link them.
cdef const cs_tiles *tiles_for(bint double_) noexcept nogil
cdef void parallel(int threads, double alone, cs_work *work, void *job) noexcept nogil
cdef void barrier(int me, int threads) noexcept nogil
cdef int64_t barrier_cost(int threads, double alone) noexcept nogil
cdef int threads() noexcept nogil
cdef void *pool_take(size_t size) noexcept nogil
cdef void pool_return(void *memory) noexcept nogil
cdef size_t block_size(const void *memory) noexcept nogil
