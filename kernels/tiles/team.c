/* The team: threads of our own that wait for calls. OpenMP is asked only how many threads this process should use.

   Refused: a parallel region of libgomp. Its fork and join wait for every thread of the team, so a worker that a busy
   neighbour keeps off its core, or that sleeps since the last call, holds up calls that would long be done without it
   (LSTM training, 32 rows x 31 steps x 24 units with two threads on a busy 2-core machine: 5 to 18 ms against 1 to 2 ms
   alone); and it hangs in a forked child. Here whoever comes within the caller's patience joins, the rest is not
   missed, and a child starts a team of its own. */
#include "team.h"
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#ifdef _OPENMP
#include <omp.h>
#else
#include <stdlib.h>
#include <unistd.h>
#endif

enum {
    MOST = 256,
    IDLE_SPINS = 2000,    /* 40 to 100 us: a worker stays awake between the calls of a loop, then sleeps */
    PATIENCE = 100000,    /* nanoseconds that a call may wait for workers, and no more than a quarter of what it takes */
    BARRIER_SPINS = 1000, /* 20 to 50 us: many steps of a small cell, a small part of a time slice */
};

/* The gate: a call's number, whether workers may still join, and how many threads are in, the caller included. */
#define OPEN (1ull << 31)
#define JOINED(g) ((int)((g) & 0xffff))
#define CALL(g) ((g) >> 32)

static struct {
    uint64_t gate __attribute__((aligned(64)));
    int finished __attribute__((aligned(64)));
    int busy __attribute__((aligned(64))); /* a call has the team; another one meanwhile runs alone */
    cs_work *work;
    void *job;
    int wanted, started, sleeping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
} team = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static int limit = INT_MAX;

static void in_child(void) {
    team.gate = 0;
    team.busy = team.started = team.sleeping = 0;
    pthread_mutex_init(&team.lock, 0);
    pthread_cond_init(&team.wake, 0);
}
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(0, 0, in_child); }

void cs_limit_threads(int n) { __atomic_store_n(&limit, n, __ATOMIC_RELAXED); }

int cs_has_openmp(void) {
#ifdef _OPENMP
    return 1;
#else
    return 0;
#endif
}

int cs_threads(void) {
#ifdef _OPENMP
    int n = omp_in_parallel() ? 1 : omp_get_max_threads();
#else
    const char *asked = getenv("OMP_NUM_THREADS");
    int n = asked && atoi(asked) > 0 ? atoi(asked) : (int)sysconf(_SC_NPROCESSORS_ONLN);
#endif
    int most = __atomic_load_n(&limit, __ATOMIC_RELAXED);
    n = n < most ? n : most;
    return n < 1 ? 1 : n < MOST ? n : MOST;
}

static void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void wait_a_little(int i, int spins) {
    if (i < spins) pause_cpu();
    else sched_yield();
}

static void flushed(cs_work *work, void *job, int thread, int threads) {
    uint64_t mode = cs_denormals_flush();
    work(job, thread, threads);
    cs_denormals_restore(mode);
}

/* Waits for a call that this worker has not seen. */
static uint64_t next_call(uint64_t seen) {
    uint64_t g;
    for (int i = 0; i < IDLE_SPINS; i++) {
        g = __atomic_load_n(&team.gate, __ATOMIC_ACQUIRE);
        if (CALL(g) != seen) return g;
        pause_cpu();
    }
    pthread_mutex_lock(&team.lock);
    __atomic_add_fetch(&team.sleeping, 1, __ATOMIC_SEQ_CST);
    while (CALL(g = __atomic_load_n(&team.gate, __ATOMIC_SEQ_CST)) == seen) pthread_cond_wait(&team.wake, &team.lock);
    __atomic_sub_fetch(&team.sleeping, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&team.lock);
    return g;
}

static void *worker(void *unused) {
    (void)unused;
    for (uint64_t seen = 0;;) {
        uint64_t g = next_call(seen);
        seen = CALL(g);
        int joined = 0;
        while (CALL(g) == seen && (g & OPEN) && JOINED(g) < team.wanted && !joined)
            joined = __atomic_compare_exchange_n(&team.gate, &g, g + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
        if (!joined) continue;
        int me = JOINED(g);
        for (int i = 0; (g = __atomic_load_n(&team.gate, __ATOMIC_ACQUIRE)) & OPEN; i++)
            wait_a_little(i, BARRIER_SPINS);
        flushed(team.work, team.job, me, JOINED(g));
        __atomic_add_fetch(&team.finished, 1, __ATOMIC_ACQ_REL);
    }
    return 0;
}

static void start_workers(int wanted) {
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before); /* signals are for Python's threads */
    while (team.started < wanted - 1) {
        pthread_t thread;
        if (pthread_create(&thread, 0, worker, 0)) break;
        pthread_detach(thread);
        team.started++;
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
}

static int64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Opens the gate for a call and closes it once all have come or patience is over. Returns how many came. */
static int assemble(int wanted, int64_t patience, cs_work *work, void *job) {
    start_workers(wanted);
    team.work = work;
    team.job = job;
    team.wanted = wanted;
    team.finished = 0;
    uint64_t call = CALL(team.gate) + 1;
    __atomic_store_n(&team.gate, (call << 32) | OPEN | 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&team.sleeping, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&team.lock);
        pthread_cond_broadcast(&team.wake);
        pthread_mutex_unlock(&team.lock);
    }
    int64_t end = 0;
    for (int i = 1; JOINED(__atomic_load_n(&team.gate, __ATOMIC_ACQUIRE)) < wanted; i++) {
        pause_cpu();
        if (i % 16) continue;
        if (!end) end = nanoseconds() + patience;
        else if (nanoseconds() > end) break;
    }
    return JOINED(__atomic_and_fetch(&team.gate, ~OPEN, __ATOMIC_ACQ_REL));
}

/* Where other processes keep our workers off their cores, threads that meet often lose whole time slices to each other:
   training 32 rows x 100 steps x 64 units took 76 ms with two threads beside a busy process on each core, 15 by this rule. A call
   that took LOST times what it would have taken alone makes the next ones run alone, twice as many each time it happens
   again, half as many after a call that went well. */
enum { LOST = 2, SLACK = 200000, MOST_SKIPPED = 127 };
static int skipped, to_skip;

static int crowded(void) {
    int left = __atomic_load_n(&to_skip, __ATOMIC_RELAXED);
    if (left > 0) __atomic_store_n(&to_skip, left - 1, __ATOMIC_RELAXED);
    return left > 0;
}

static void learn(int64_t took, int64_t alone) {
    int n = __atomic_load_n(&skipped, __ATOMIC_RELAXED);
    n = took > LOST * alone + SLACK ? 2 * n + 1 : n / 2;
    n = n < MOST_SKIPPED ? n : MOST_SKIPPED;
    __atomic_store_n(&skipped, n, __ATOMIC_RELAXED);
    if (took > LOST * alone + SLACK) __atomic_store_n(&to_skip, n, __ATOMIC_RELAXED);
}

void cs_parallel(int threads, int64_t alone, cs_work *work, void *job) {
    if (threads > 1 && !crowded() && !__atomic_exchange_n(&team.busy, 1, __ATOMIC_ACQUIRE)) {
        int64_t began = nanoseconds(), patience = alone / 4 < PATIENCE ? alone / 4 : PATIENCE;
        int came = assemble(threads, patience, work, job);
        flushed(work, job, 0, came);
        for (int i = 0; __atomic_load_n(&team.finished, __ATOMIC_ACQUIRE) < came - 1; i++)
            wait_a_little(i, BARRIER_SPINS);
        __atomic_store_n(&team.busy, 0, __ATOMIC_RELEASE);
        if (came > 1) learn(nanoseconds() - began, alone);
        return;
    }
    flushed(work, job, 0, 1);
}

void cs_barrier_wait(cs_barrier *b, int threads) {
    int phase = __atomic_load_n(&b->phase, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&b->arrived, 1, __ATOMIC_ACQ_REL) == threads) {
        __atomic_store_n(&b->arrived, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&b->phase, phase + 1, __ATOMIC_RELEASE);
        return;
    }
    for (int i = 0; __atomic_load_n(&b->phase, __ATOMIC_ACQUIRE) == phase; i++) wait_a_little(i, BARRIER_SPINS);
}
