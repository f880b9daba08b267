# The C tiles: which instruction-set level runs, chosen once at import, and how many threads a call may use.

cdef extern from "tiles.h" nogil:
    enum:
        CS_FROM_ZERO, CS_FROM_C, CS_FROM_BIAS, CS_LAST_FIRST, CS_STATES, CS_PHASES

    ctypedef struct cs_span:
        long rows, j0, j1, H, Hp, ldz, ldh
        const uint8_t *active
        int act, rec
        void *z
        const void *seen
        const void *before[14]  # CS_STATES
        void *after[14]
        void *dz
        void *dstates[14]
        void *dseen
        const void *dmade
        const void *vectors

    ctypedef void cs_elementwise(const cs_span *s) noexcept nogil

    ctypedef struct cs_cell:
        const char *name
        cs_elementwise *forward[4]  # CS_PHASES
        cs_elementwise *backward[4]

    ctypedef struct cs_panels:
        const void *data
        long K, N

    ctypedef struct cs_lone_product:
        const void *a
        long first
        int gates, start
        void *sums
        const void *bias

    ctypedef struct cs_tiles:
        int VL, PANEL
        void (*gemm)(long M, long K, const void *A, long lda, const cs_panels *B, long k0, long n0, long n, void *C,
                     long ldc, int start, const void *bias) noexcept nogil
        void (*lone_phase)(const cs_span *s, const cs_panels *U, int n, const cs_lone_product *products, int turned,
                           double l2, cs_elementwise *tile) noexcept nogil
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
        void (*lane_gemm)(long M, long K, const void *A, long lda, const cs_panels *B, long k0, long n0, long n,
                          void *C, long ldc, int start, const void *bias) noexcept nogil
        void (*lane_gemm_tn)(long M, long n, const void *a, const long *a_at, const void *b, const long *b_at,
                             long ncols, void *C, long ldc, void *work) noexcept nogil
        void (*lane_take)(long B, long T, long n, const void *source, long size, const int64_t *rows,
                          void *out) noexcept nogil
        void (*lane_softmax)(long rows, long n, void *p) noexcept nogil
        void (*keep_lanes)(long rows, long n, const uint8_t *runs, void *dst, long ldd, const void *src,
                           long lds) noexcept nogil
        double (*probe_fma)(long n, double *out) noexcept nogil
        double (*probe_read)(const void *p, long size, long times) noexcept nogil

    ctypedef struct cs_level:
        const char *name
        const cs_tiles *f32
        const cs_tiles *f64
    const cs_level cs_levels[]
    int cs_level_runs(const char *name)

cdef extern from "thread_pool.h" nogil:
    ctypedef void cs_work(void *job, int me, int most) noexcept nogil
    void cs_call(int threads, double alone, cs_work *work, void *job)
    void cs_wait(int round)
    int cs_threads()
    void cs_limit_threads(int limit)
    uint64_t cs_float_mode_set(bint flush)
    void cs_float_mode_restore(uint64_t before)

cdef extern from "progress.h" nogil:
    ctypedef struct cs_progress:
        void *job
        int64_t done, end, stretch
        int after, whole, taken
    ctypedef void cs_advance_part(cs_progress *job, int64_t begin, int64_t end) noexcept nogil
    void cs_advance(int threads, double alone, int jobs, cs_progress *job, cs_advance_part *run, int64_t until)

cdef extern from "pieces.h" nogil:
    enum:
        CS_PIECES
    void cs_pieces(int threads, double alone, int pieces, bint turned, cs_work *part, void *job)

cdef extern from "gang.h" nogil:
    ctypedef void cs_run_parts(void *job, int64_t phase, int first, int end) noexcept nogil
    ctypedef int64_t cs_next_phase(void *job, int64_t phase, int *together) noexcept nogil
    ctypedef struct cs_phases:
        void *job
        cs_run_parts *run
        cs_next_phase *next
        int64_t end
        int parts
        double gain
    enum:
        CS_PARTS
    void cs_gang(int threads, double alone, const cs_phases *phases)
    double cs_barrier_cost(int threads)

cdef extern from "machine.h" nogil:
    ctypedef struct cs_machine:
        double fma, near, far, l2
    const cs_machine *cs_this_machine(const cs_tiles *tiles, bint asks)

cdef extern from "memory.h" nogil:
    void *cs_pool_take(size_t size)
    void cs_pool_return(void *memory)
    size_t cs_block_size(const void *memory)


cdef enum:
    TALLEST = 6  # rows of the tallest tile


cdef const cs_level *level = NULL
cdef str why = ""


def available_isas():
    """The levels compiled in that this CPU runs, best first."""
    cdef int i = 0
    names = []
    while cs_levels[i].name != NULL:
        if cs_level_runs(cs_levels[i].name):
            names.append(cs_levels[i].name.decode())
        i += 1
    return tuple(names)


def _choose():
    """CELLSTEP_ISA if it is set, and then nothing else; otherwise the best level that runs here."""
    global level, why
    cdef int i = 0
    names = available_isas()
    asked = os.environ.get("CELLSTEP_ISA", "")
    if asked and asked not in names:
        raise ImportError(f"CELLSTEP_ISA must be one that runs here ({', '.join(names)}), got {asked!r}")
    if not names:
        raise ImportError("this CPU runs none of the instruction-set levels that cellstep was compiled for")
    chosen = asked or names[0]
    while cs_levels[i].name.decode() != chosen:
        i += 1
    level = &cs_levels[i]
    why = "CELLSTEP_ISA asks for it" if asked else "the best that this CPU and operating system run"


_choose()


def isa():
    """The level that runs."""
    return level.name.decode()


def isa_why():
    """Why it was chosen."""
    return why


cdef inline const cs_tiles *tiles_for(long esize) noexcept nogil:
    """The tiles for numbers of so many bytes."""
    return level.f64 if esize == sizeof(double) else level.f32


cdef inline char *data(cnp.ndarray a) noexcept:
    """Where an array's elements begin; NULL for None."""
    return NULL if a is None else <char *> cnp.PyArray_DATA(a)


# (B, T, width) values: row b of step t begins at p + b * sb + t * st; NULL where there are none.
cdef struct View:
    char *p
    long sb, st


cdef inline View view_of(cnp.ndarray a) noexcept:
    cdef View v
    v.p, v.sb, v.st = NULL, 0, 0
    if a is not None:
        v.p, v.sb, v.st = <char *> cnp.PyArray_DATA(a), cnp.PyArray_STRIDE(a, 0), cnp.PyArray_STRIDE(a, 1)
    return v


cdef inline char *row_in(const View *v, long b, long t) noexcept nogil:
    return v.p + b * v.sb + t * v.st


cdef object most = limit()
if most is not None:
    cs_limit_threads(most)


def get_num_threads():
    """Threads that a call may use."""
    return cs_threads()


def set_num_threads(int n):
    """Use at most n threads from now on, in the whole process."""
    cs_limit_threads(n)


def activate(name, values):
    """One activation of the contract over a contiguous array, as the tiles compute it; for tests of accuracy."""
    cdef cnp.ndarray x = np.ascontiguousarray(values)
    cdef cnp.ndarray y = np.empty_like(x)
    tiles_for(x.itemsize).activate(ACTIVATIONS.index(name), x.size, data(x), data(y))
    return y


def probe_multiply_adds(long n):
    """Run multiply-adds of float32 that stay in registers, `n` rounds of them, without the GIL. Returns how many."""
    cdef double out = 0, done
    with nogil:
        done = level.f32.probe_fma(n, &out)
    return done


def probe_read(cnp.ndarray values, long times):
    """Read a contiguous array, a multiple of 512 bytes, `times` over as one stream, without the GIL."""
    cdef const char *p = data(values)
    cdef long size = values.nbytes
    with nogil:
        level.f32.probe_read(p, size, times)
