/* The thread pool: threads of our own that wait for calls. OpenMP is asked only how many threads this process should use.

   Refused: a parallel region of libgomp. Its fork and join wait for every thread of its team, so a worker that a busy
   neighbour keeps off its core, or that sleeps since the last call, holds up calls that would long be done without it
   (LSTM training, 32 rows x 31 steps x 24 units with two threads on a busy 2-core machine: 5 to 18 ms against 1 to 2 ms
   alone); and it hangs in a forked child. Here a call runs with the workers that wake within
   PATIENCE, and a child starts a pool of its own. */
#include "thread_pool.h"
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
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
    BARE_SPINS = 40,      /* a neighbour in step comes within 100 ns; a pause alone takes up to 50 */
    BARRIER_SPINS = 1000, /* 20 to 50 us: many steps of a small cell, a small part of a time slice */
    /* Nanoseconds of a nap, once a neighbour is so late that it must be off its core. A thread that naps keeps its claim
       to a core for when the neighbour is back; one that calls sched_yield loses it, and a whole time slice to the busy
       process beside it: with one on each of two cores, a training pass of 64 rows and 256 units took 175 ms with
       yields (46 alone on the machine), 104 to 160 with naps, and 100 steps of 1 row and 256 units 68 ms at the worst,
       not 9. */
    NAP = 20000,
};

/* The gate: a call's number, whether workers may still join, and how many threads are in, the caller included. */
#define OPEN (1ull << 31)
#define JOINED(g) ((int)((g) & 0xffff))
#define CALL(g) ((g) >> 32)

/* Who reads and writes what, and why that is in order. The caller that set `busy` (acquire; it clears it with release) alone
   touches `started`. It writes `work`, `job` and `places` before it opens the gate, and workers read them only once they
   have joined and seen the gate closed (both acquire); it writes them again only when all that joined have `finished`
   (release, read with acquire). A worker that comes late may read `wanted`, and try to join by the gate, while the next
   call is being prepared: what it reads is then of no use, as joining fails where the gate has moved on, but `wanted` and
   `gate` are read and written atomically throughout. `sleeping` and the opened gate are in one order for all (seq_cst):
   either the caller sees a sleeper and wakes it, or the sleeper sees the open gate. */
static struct {
    uint64_t gate __attribute__((aligned(64)));
    int finished __attribute__((aligned(64)));
    int busy __attribute__((aligned(64))); /* a call has the pool; another one meanwhile runs alone */
    cs_work *work;
    void *job;
    int wanted, started, sleeping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

/* The barrier of the call that has the pool: each thread's count of barriers, and what it was told in each round. */
static struct {
    int phase, heard[8];
    char pad[28];
} places[MOST] __attribute__((aligned(64)));

static int limit = INT_MAX;

static void in_child(void) {
    pool.gate = 0;
    pool.busy = pool.started = pool.sleeping = 0;
    pthread_mutex_init(&pool.lock, 0);
    pthread_cond_init(&pool.wake, 0);
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
    long number = asked ? strtol(asked, 0, 10) : 0;
    int n = number > 0 && number < INT_MAX ? (int)number : (int)sysconf(_SC_NPROCESSORS_ONLN);
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
    if (i < BARE_SPINS) return;
    if (i < spins) pause_cpu();
    else nanosleep(&(struct timespec){0, NAP}, 0);
}

static void flushed(cs_work *work, void *job, int thread, int threads) {
    uint64_t mode = cs_float_mode_set(1);
    work(job, thread, threads);
    cs_float_mode_restore(mode);
}

/* Waits for a call that this worker has not seen. */
static uint64_t next_call(uint64_t seen) {
    uint64_t g;
    for (int i = 0; i < IDLE_SPINS; i++) {
        g = __atomic_load_n(&pool.gate, __ATOMIC_ACQUIRE);
        if (CALL(g) != seen) return g;
        pause_cpu();
    }
    pthread_mutex_lock(&pool.lock);
    __atomic_add_fetch(&pool.sleeping, 1, __ATOMIC_SEQ_CST);
    while (CALL(g = __atomic_load_n(&pool.gate, __ATOMIC_SEQ_CST)) == seen) pthread_cond_wait(&pool.wake, &pool.lock);
    __atomic_sub_fetch(&pool.sleeping, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&pool.lock);
    return g;
}

static void *worker(void *unused) {
    (void)unused;
    for (uint64_t seen = 0;;) {
        uint64_t g = next_call(seen);
        seen = CALL(g);
        int joined = 0;
        while (CALL(g) == seen && (g & OPEN) && JOINED(g) < __atomic_load_n(&pool.wanted, __ATOMIC_RELAXED) && !joined)
            joined = __atomic_compare_exchange_n(&pool.gate, &g, g + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
        if (!joined) continue;
        int me = JOINED(g);
        for (int i = 0; (g = __atomic_load_n(&pool.gate, __ATOMIC_ACQUIRE)) & OPEN; i++)
            wait_a_little(i, BARRIER_SPINS);
        flushed(pool.work, pool.job, me, JOINED(g));
        __atomic_add_fetch(&pool.finished, 1, __ATOMIC_ACQ_REL);
    }
    return 0;
}

static void start_workers(int wanted) {
    sigset_t every, before;
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before); /* signals are for Python's threads */
    while (pool.started < wanted - 1) {
        pthread_t thread;
        if (pthread_create(&thread, 0, worker, 0)) break;
        pthread_detach(thread);
        pool.started++;
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
    pool.work = work;
    pool.job = job;
    __atomic_store_n(&pool.wanted, wanted, __ATOMIC_RELAXED);
    __atomic_store_n(&pool.finished, 0, __ATOMIC_RELAXED);
    memset(places, 0, (size_t)wanted * sizeof places[0]);
    uint64_t call = CALL(__atomic_load_n(&pool.gate, __ATOMIC_RELAXED)) + 1;
    __atomic_store_n(&pool.gate, (call << 32) | OPEN | 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&pool.sleeping, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.lock);
    }
    int64_t end = 0;
    for (int i = 1; JOINED(__atomic_load_n(&pool.gate, __ATOMIC_ACQUIRE)) < wanted; i++) {
        pause_cpu();
        if (i % 16) continue;
        if (!end) end = nanoseconds() + patience;
        else if (nanoseconds() > end) break;
    }
    return JOINED(__atomic_and_fetch(&pool.gate, ~OPEN, __ATOMIC_ACQ_REL));
}

static void wait_for_workers(int came) {
    for (int i = 0; __atomic_load_n(&pool.finished, __ATOMIC_ACQUIRE) < came - 1; i++)
        wait_a_little(i, BARRIER_SPINS);
}

void cs_parallel(int threads, int64_t alone, cs_work *work, void *job) {
    if (threads > 1 && !__atomic_exchange_n(&pool.busy, 1, __ATOMIC_ACQUIRE)) {
        int64_t patience = alone / 4 < PATIENCE ? alone / 4 : PATIENCE;
        int came = assemble(threads, patience, work, job);
        flushed(work, job, 0, came);
        wait_for_workers(came);
        __atomic_store_n(&pool.busy, 0, __ATOMIC_RELEASE);
        return;
    }
    flushed(work, job, 0, 1);
}

/* ---- what a barrier costs, which a call by units is planned by. Cores that share a cache need 60 ns, others 260 (two
   virtual cores of Zen 5, which the host moves about), so it is measured now and then. ---- */

enum {
    PROBES = 24,
    /* the rest in nanoseconds */
    UNKNOWN = 1000000,      /* more than any step could gain */
    PROBE_PATIENCE = 80000, /* a sleeping worker needs about 50000 to come */
    LOOP = 400000,          /* calls so close belong to a loop; also the first wait after a probe that failed */
    LONGEST = 100000000,    /* the last one: waits double */
    GOOD_FOR = 20000000,
    LONG = 500000,          /* a call that is worth a probe by itself */
};
static struct {
    int64_t cost, asked, until, wait;
    int threads;
} measured = {UNKNOWN, 0, 0, 0, 0};

static void probe(void *best, int thread, int threads) {
    if (threads < 2) return;
    for (int i = 0; i < 3; i++) {
        int64_t began = nanoseconds();
        for (int k = 0; k < PROBES / 3; k++) cs_barrier(thread, threads);
        int64_t cost = (nanoseconds() - began) / (PROBES / 3);
        if (thread == 0 && cost < *(int64_t *)best) *(int64_t *)best = cost;
    }
}

int64_t cs_barrier_cost(int threads, int64_t alone) {
    int64_t now = nanoseconds();
    if (__atomic_exchange_n(&pool.busy, 1, __ATOMIC_ACQUIRE)) return UNKNOWN; /* the pool is taken */
    int again = now - measured.asked < LOOP + 2 * alone || now < measured.until || alone > LONG;
    if (threads != measured.threads) measured.until = 0;
    /* A call by itself is not worth a probe: workers that sleep take longer to come than a small call takes alone. */
    if (again && now >= measured.until) {
        int64_t cost = UNKNOWN;
        int came = assemble(threads, PROBE_PATIENCE, probe, &cost);
        flushed(probe, &cost, 0, came);
        wait_for_workers(came);
        int all = came == threads;
        measured.wait = all ? 0 : measured.wait ? 2 * measured.wait : LOOP;
        if (measured.wait > LONGEST) measured.wait = LONGEST;
        measured.cost = all ? cost : UNKNOWN;
        measured.threads = threads;
        now = nanoseconds();
        measured.until = now + (all ? GOOD_FOR : measured.wait);
    }
    int64_t cost = again ? measured.cost : UNKNOWN;
    measured.asked = now;
    __atomic_store_n(&pool.busy, 0, __ATOMIC_RELEASE);
    return cost;
}

void cs_barrier(int me, int threads) {
    int phase = ++places[me].phase;
    for (int round = 0, d = 1; d < threads; round++, d *= 2) {
        int next = me + d < threads ? me + d : me + d - threads;
        __atomic_store_n(&places[next].heard[round], phase, __ATOMIC_RELEASE);
        for (int i = 0; __atomic_load_n(&places[me].heard[round], __ATOMIC_ACQUIRE) - phase < 0; i++)
            wait_a_little(i, BARRIER_SPINS);
    }
}
