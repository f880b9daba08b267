# The compiled chain: checks in C, then the stages of flow.pxi. kernels/chain.py is the same in NumPy.
#
# What a step costs beside its arithmetic is what counts here. Arguments that fit are told from their array headers,
# only others go to `cast`, which is Python. An LSTM of 16 units takes 0.26 us a step of batch 1, of which the call and
# its checks are 0.03 and the new array is 0.05. The GIL is kept for short calls: releasing it costs 0.05 more.

cdef enum:
    LONG_WORK = 250_000  # multiply-adds of a call for which the GIL is released
    CHUNK_STEPS = 32

cdef extern from *:
    """
    static int enter_once(int *busy) { return __atomic_exchange_n(busy, 1, __ATOMIC_ACQUIRE); }
    static void leave(int *busy) { __atomic_store_n(busy, 0, __ATOMIC_RELEASE); }
    """
    int enter_once(int *busy) noexcept nogil  # 1 where somebody is inside
    void leave(int *busy) noexcept nogil


cdef int states_of(const Stage *s) noexcept nogil:
    return s.job.w.states if s.kind == RECUR else 0


cdef class Chain:
    """Stages over a fixed batch, with the states of the recurrent ones. It belongs to one thread at a time.

    Arguments as for kernels.chain.Chain.
    """

    cdef long B, N
    cdef object dtype
    cdef long inputs  # 1 for integers
    cdef int typenum, ndim
    cdef int busy
    cdef double work
    cdef object cast, check
    cdef list keep, stages_  # of a Dense the panels, whether there is a bias, and the activation
    cdef Flow flow

    def __cinit__(self, stages, long B, inputs, dtype, cast, check):
        self.B, self.dtype, self.cast, self.check = B, dtype, cast, check
        self.inputs = self.N = 1 if inputs is None else inputs
        self.typenum, self.ndim = dtype.num, 1 if inputs is None else 2
        self.keep, self.stages_ = [], []
        self.flow.stages = <Stage *> room(self.keep, len(stages) * sizeof(Stage), True)
        self.flow.B, self.flow.esize = B, dtype.itemsize
        for stage in stages:
            self.flow.count += 1
            self.add(&self.flow.stages[self.flow.count - 1], stage)
        self.make_room()

    cdef int add(self, Stage *s, stage) except -1:
        s.B, s.inputs, s.esize, s.tiles = self.B, self.N, self.flow.esize, tiles_for(self.flow.esize)
        if isinstance(stage, Lookup):
            s.kind = LOOKUP
            stage = Lookup(np.array(stage.table, order="C"), stage.mask_zero)
            s.table = held(self.keep, stage.table)
            s.entries, s.outputs = stage.table.shape
            s.mask_zero = stage.mask_zero
        elif isinstance(stage, Mask):
            s.kind, s.value, s.outputs = MASK, stage.value, self.N
        elif isinstance(stage, Activate):
            s.kind, s.act, s.outputs = ACTIVATE, code(stage.activation), self.N
        elif isinstance(stage, Dense):
            self.add_dense(s, np.ascontiguousarray(stage.W), stage.b, stage.activation)
        else:
            assert isinstance(stage, Recur)
            self.add_recur(s, stage.packed, stage.zero_masked)
        if s.kind != DENSE:
            self.stages_.append(stage)
        self.N = s.outputs
        self.work += s.work + 16 * self.B * s.outputs
        return 0

    @property
    def stages(self):
        """The stages, with copies of their weights."""
        stages = []
        for stage in self.stages_:
            if isinstance(stage, tuple):
                panels, biased, activation = stage
                W, b = panels.plain()
                stage = Dense(W, b if biased else None, activation)
            stages.append(stage)
        return stages

    cdef int add_dense(self, Stage *s, W, b, str activation) except -1:
        cdef Panels panels = Panels(W, None if b is None else np.ascontiguousarray(b))
        self.stages_.append((panels, b is not None, activation))
        s.product = panels.product
        s.product.act = code(activation)
        s.kind, s.outputs = DENSE, panels.N
        s.work = <double> self.B * s.inputs * s.outputs
        return 0

    cdef int add_recur(self, Stage *s, Packed packed, bint zero_masked) except -1:
        cdef int k
        s.kind, s.outputs, s.zero_masked = RECUR, packed.w.size[0], zero_masked
        s.work = <double> self.B * packed.w.columns * (packed.w.inputs + packed.w.H)
        # the job is laid out for as many steps as it projects at once, and takes x, y and T from each call
        x = np.broadcast_to(np.empty((1, 1, s.inputs), self.dtype), (self.B, CHUNK_STEPS, s.inputs))
        begin_forward(&s.job, packed, x, None, None, None, None, None, self.keep)
        s.job.T = 1
        plan(&s.job, 1, False)
        s.alone = s.job.alone
        s.step = <Step *> room(self.keep, sizeof(Step), True)
        self.keep.append(lay_out(s.step, packed, self.B))
        s.step.hb = s.step.span.ldh = s.job.hb
        for k in range(packed.w.states):
            s.step.state[k] = s.job.state[k]
            memset(s.job.state[k], 0, s.job.ht)
        at_block(s.step, 0)
        self.keep.append(packed)
        return 0

    cdef int make_room(self) except -1:
        """A sole cell reads and writes the caller's arrays, so any number of steps is one block."""
        cdef long i, widest = max([1] + [self.flow.stages[i].outputs for i in range(self.flow.count)])
        cdef Stage *s = self.flow.stages
        if self.flow.count == 1 and s.kind == RECUR:
            self.flow.block = (<unsigned long> -1) >> 1
            return 0
        self.flow.block = max(1, min(1024, BLOCK_NUMBERS // (self.B * widest)))
        self.flow.flags = <unsigned char *> room(self.keep, self.flow.block * self.B)
        for i in range(self.flow.count):
            s = self.flow.stages + i
            s.room = room(self.keep, self.flow.block * self.B * s.outputs * s.esize)
        return 0

    cdef inline object own(self, x):
        """Integers as a copy: without the GIL, another thread could change them once they are checked."""
        return np.array(x) if self.ndim == 1 and cnp.PyArray_CheckExact(x) else x

    cdef inline bint fits(self, x, int ndim) noexcept:
        """Whether x can be read as it is: (B, I) or, with one dimension more, (B, T, I)."""
        if not cnp.PyArray_CheckExact(x):
            return False
        cdef cnp.ndarray a = <cnp.ndarray> x
        if cnp.PyArray_NDIM(a) != ndim or cnp.PyArray_DIMS(a)[0] != self.B or not cnp.PyArray_ISCARRAY_RO(a):
            return False
        if self.ndim == 2:
            return cnp.PyArray_TYPE(a) == self.typenum and cnp.PyArray_DIMS(a)[ndim - 1] == self.inputs
        return cnp.PyArray_ISSIGNED(a) and cnp.PyArray_ITEMSIZE(a) in (4, 8) and self.known(a)

    cdef bint known(self, cnp.ndarray numbers) noexcept:
        """Whether all of them are rows of the table."""
        cdef const int32_t *a = <const int32_t *> data(numbers)
        cdef const int64_t *b = <const int64_t *> a
        cdef bint narrow = cnp.PyArray_ITEMSIZE(numbers) == 4
        cdef int64_t number
        cdef long i
        for i in range(cnp.PyArray_SIZE(numbers)):
            number = a[i] if narrow else b[i]
            if number < 0 or number >= self.flow.stages.entries:
                return False
        return True

    cdef int run(self, cnp.ndarray x, cnp.ndarray y, long T) except -1:
        cdef View a, b
        cdef long width = self.inputs * cnp.PyArray_ITEMSIZE(x)
        self.enter()
        a.p, a.sb, a.st = data(x), T * width, width
        width = self.N * self.flow.esize
        b.p, b.sb, b.st = data(y), T * width, width
        self.flow.id_size = cnp.PyArray_ITEMSIZE(x)
        if self.flow.count == 0:
            memmove(b.p, a.p, self.B * T * width)
        elif self.work * T < LONG_WORK:
            run_flow(&self.flow, a, b, T)
        else:
            self.run_long(a, b, T)
        leave(&self.busy)
        return 0

    cdef int run_long(self, View x, View y, long T) except -1:
        """Without the GIL, in slices. If a signal's handler raises in between, the states are again as they were."""
        cdef Slices s
        cdef long n
        before = None
        begin_slices(&s, T, (self.work / 16 + 100. * self.B * self.flow.count) * T)
        try:
            while next_slice(&s):
                n = s.last - s.first
                if s.first == 0 and n < T:
                    before = self.new_states()
                    self.copy_states(before, True)
                with nogil:
                    run_flow(&self.flow, x, y, n)
                x.p, y.p = x.p + n * x.st, y.p + n * y.st
        except BaseException:
            if before is not None:
                self.copy_states(before, False)
            leave(&self.busy)
            raise
        return 0

    cdef int enter(self) except -1:
        if enter_once(&self.busy):
            raise RuntimeError(BUSY)
        return 0

    def step(self, x, out=None):
        """One step: x (B, I), or (B,) integers; gives (B, N), in `out` where there is one."""
        cdef cnp.npy_intp dims[2]
        if self.work >= LONG_WORK:
            x = self.own(x)
        if not self.fits(x, self.ndim):
            x = self.cast(x, False)
            if not self.fits(x, self.ndim):
                raise TypeError("cast gave an array that does not fit")
        if out is None:
            dims[0], dims[1] = self.B, self.N
            out = cnp.PyArray_EMPTY(2, dims, self.typenum, 0)
        elif not self.takes(out):
            self.check(out)
            raise TypeError("out does not fit, and check did not raise")
        self.run(<cnp.ndarray> x, <cnp.ndarray> out, 1)
        return out

    cdef inline bint takes(self, out) noexcept:
        """Whether a step's outputs can be written to out."""
        if not cnp.PyArray_CheckExact(out):
            return False
        cdef cnp.ndarray a = <cnp.ndarray> out
        return (
            cnp.PyArray_NDIM(a) == 2 and cnp.PyArray_TYPE(a) == self.typenum and cnp.PyArray_ISCARRAY(a)
            and cnp.PyArray_DIMS(a)[0] == self.B and cnp.PyArray_DIMS(a)[1] == self.N
        )

    def steps(self, x):
        """T steps: x (B, T, I), or (B, T) integers; gives (B, T, N)."""
        cdef cnp.npy_intp dims[3]
        x = self.own(x)
        if not self.fits(x, self.ndim + 1):
            x = self.cast(x, True)
            if not self.fits(x, self.ndim + 1):
                raise TypeError("cast gave an array that does not fit")
        dims[0], dims[1], dims[2] = self.B, cnp.PyArray_DIMS(<cnp.ndarray> x)[1], self.N
        y = cnp.PyArray_EMPTY(3, dims, self.typenum, 0)
        self.run(<cnp.ndarray> x, <cnp.ndarray> y, dims[1])
        return y

    cdef int copy_states(self, list arrays, bint out) except -1:
        """Between the stages' states and arrays (B, units), in order."""
        cdef Job *j
        cdef long i, k, at = 0
        for i in range(self.flow.count):
            j = &self.flow.stages[i].job
            for k in range(states_of(&self.flow.stages[i])):
                if out:
                    store_rows(j, j.state[k], k, False, arrays[at])
                else:
                    load_rows(j, j.state[k], k, arrays[at])
                at += 1
        return 0

    cdef list new_states(self):
        return [
            np.empty((self.B, self.flow.stages[i].job.w.size[k]), self.dtype)
            for i in range(self.flow.count) for k in range(states_of(&self.flow.stages[i]))
        ]

    def get_states(self):
        """Copies of all states (B, units), stage by stage."""
        arrays = self.new_states()
        self.enter()
        self.copy_states(arrays, True)
        leave(&self.busy)
        return arrays

    def set_states(self, values):
        """Copies into all states, in the order of `get_states`; shapes and dtypes fit."""
        arrays = [np.ascontiguousarray(v) for v in values]
        self.enter()
        self.copy_states(arrays, False)
        leave(&self.busy)
