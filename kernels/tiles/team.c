#include "team.h"
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#ifdef _OPENMP
#include <omp.h>
#endif

enum { SPINS = 4000 }; /* about 20 to 100 us: several steps of a small cell, a small part of a time slice */

static int limit = INT_MAX;
static int forked;

static void in_child(void) { forked = 1; }
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(0, 0, in_child); }

void cs_limit_threads(int n) { __atomic_store_n(&limit, n, __ATOMIC_RELAXED); }

int cs_threads(void) {
#ifdef _OPENMP
    if (forked || omp_in_parallel()) return 1;
    int n = omp_get_max_threads(), most = __atomic_load_n(&limit, __ATOMIC_RELAXED);
    return n < most ? n : most;
#else
    return 1;
#endif
}

int cs_has_openmp(void) {
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

static void flushed(cs_work *work, void *job, int thread, int threads) {
    uint64_t mode = cs_denormals_flush();
    work(job, thread, threads);
    cs_denormals_restore(mode);
}

void cs_parallel(int threads, cs_work *work, void *job) {
#ifdef _OPENMP
    if (threads > 1) {
#pragma omp parallel num_threads(threads)
        flushed(work, job, omp_get_thread_num(), omp_get_num_threads());
        return;
    }
#endif
    (void)threads;
    flushed(work, job, 0, 1);
}

static void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

void cs_barrier_wait(cs_barrier *b, int threads) {
    int phase = __atomic_load_n(&b->phase, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&b->arrived, 1, __ATOMIC_ACQ_REL) == threads) {
        __atomic_store_n(&b->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&b->phase, phase + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int i = 0; __atomic_load_n(&b->phase, __ATOMIC_ACQUIRE) == phase; i++)
        if (i < SPINS) pause_cpu();
        else sched_yield();
}
