/* The thread pool that runs calls, and the floating-point mode inside a call. */
#ifndef CELLSTEP_THREAD_POOL_H
#define CELLSTEP_THREAD_POOL_H
#include <stdint.h>

/* What a call does in one thread: `me` counts from 0, the caller, and is below 256; so many threads may work on it at once. */
typedef void cs_work(void *job, int me, int most);

/* An open door. The caller runs work(job, 0, most) at once; a worker that arrives meanwhile gets the next number and runs
   work(job, me, most) too, on at most `threads` threads at once, where `most` is 1 if nobody else can come: a call by
   one thread, or one while another has the pool. When the caller's work returns, the door closes, and the call ends once
   those inside have left. So work takes pieces of the job, by atomics, until there are none, and the caller's returns when
   all are taken. Workers that sleep are woken where `alone`, the nanoseconds that one thread would take for all, is worth
   it. Work runs in the kernels' floating-point mode, with denormals flushed, and each thread's own mode is restored. */
void cs_call(int threads, int64_t alone, cs_work *work, void *job);

/* One round, counted from 0, of waiting for something that another thread of the call does: spins for a bounded time, then
   naps, so that a busy neighbour on a small machine does not cost a slice a step. Returns CS_LATE once when that takes long,
   and CS_FETCHED where a worker was found that had lost its core, and now has the caller's until it waits or leaves. */
enum { CS_LATE = 1, CS_FETCHED };
int cs_wait(int round);

/* Whether this thread is such a worker: it should leave with nothing under way, and comes back once it has a core. */
int cs_must_leave(void);

int64_t cs_nanoseconds(void);

/* Threads that a call may use now: the processors that this process may run on, or OMP_NUM_THREADS in their place, and at
   most both limits. The one from outside is threadpoolctl's, which finds it by name; it ends when it is put back. */
__attribute__((visibility("default"))) int cs_threads(void);
__attribute__((visibility("default"))) void cs_limit_from_outside(int limit);
void cs_limit_threads(int limit);

/* The floating-point mode of kernels, whatever the caller's is: rounding to nearest, no traps, and with `flush` denormal
   numbers read and written as zeros. Returns the caller's mode, which cs_float_mode_restore puts back. */
#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
static inline uint64_t cs_float_mode_set(int flush) {
    unsigned before = _mm_getcsr();
    _mm_setcsr(flush ? 0x9fc0u : 0x1f80u); /* all exceptions masked; FTZ and DAZ */
    return before;
}
static inline void cs_float_mode_restore(uint64_t before) { _mm_setcsr((unsigned)before); }
#elif defined(__aarch64__)
static inline void cs_float_mode_restore(uint64_t before) { __asm__ volatile("msr fpcr, %0" ::"r"(before)); }
static inline uint64_t cs_float_mode_set(int flush) {
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    cs_float_mode_restore(flush ? 1ull << 24 : 0); /* FZ */
    return before;
}
#else
#include <fenv.h>
static inline uint64_t cs_float_mode_set(int flush) {
    int before = fegetround();
    (void)flush;
    fesetround(FE_TONEAREST);
    return (uint64_t)before;
}
static inline void cs_float_mode_restore(uint64_t before) { fesetround((int)before); }
#endif

#endif
