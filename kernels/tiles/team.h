/* A team of threads for one call, its barrier, and the floating-point mode inside a call. */
#ifndef CELLSTEP_TEAM_H
#define CELLSTEP_TEAM_H
#include <stdint.h>

typedef void cs_work(void *job, int thread, int threads);

/* Runs work on a team of at most `threads` threads: the caller, and those workers that come soon, where one thread would
   take about `alone` nanoseconds. Work is told how many they are. Denormals are flushed inside and each thread's mode is
   restored. Calls from several threads at once: one has the team, the others run alone. Where a team turns out to take
   longer than one thread would, the next calls run alone. */
void cs_parallel(int threads, int64_t alone, cs_work *work, void *job);

/* Threads that a call may use now: OpenMP's limit for this thread (affinity, OMP_NUM_THREADS, threadpoolctl), at most
   the limit set here. Without OpenMP the processors online, or OMP_NUM_THREADS. */
int cs_threads(void);
void cs_limit_threads(int limit);
int cs_has_openmp(void);

/* All threads of a team meet; a barrier starts as zeros. Spins for a bounded time, then gives its time slice away, so that a busy neighbour on a
   small machine does not cost a slice a step. */
typedef struct {
    int arrived;
    char pad0[60];
    int phase;
    char pad1[60];
} cs_barrier;
void cs_barrier_wait(cs_barrier *b, int threads);

/* Flush-to-zero mode: returns what cs_denormals_restore puts back. */
#if defined(__x86_64__) || defined(__i386__)
#include <xmmintrin.h>
static inline uint64_t cs_denormals_flush(void) {
    unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040u); /* FTZ and DAZ */
    return before;
}
static inline void cs_denormals_restore(uint64_t before) { _mm_setcsr((unsigned)before); }
#elif defined(__aarch64__)
static inline uint64_t cs_denormals_flush(void) {
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" ::"r"(before | (1ull << 24)));
    return before;
}
static inline void cs_denormals_restore(uint64_t before) { __asm__ volatile("msr fpcr, %0" ::"r"(before)); }
#else
static inline uint64_t cs_denormals_flush(void) { return 0; }
static inline void cs_denormals_restore(uint64_t before) { (void)before; }
#endif

#endif
