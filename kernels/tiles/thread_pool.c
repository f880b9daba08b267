/* The thread pool: threads of our own that help with calls. OpenMP is asked only how many threads this process should use.

   A call is an open door. It starts at once with whoever is there, the caller alone if need be; a worker that arrives
   while it runs takes part from then on, and nobody is waited for who is not inside. So neither a worker that sleeps nor one
   that a busy neighbour keeps off its core holds up a call, and one that comes late still helps with what is left.

   Refused: a parallel region of libgomp. Its fork and join wait for every thread of its team (LSTM training, 32 rows x 31
   steps x 24 units with two threads on a busy 2-core machine: 5 to 18 ms against 1 to 2 ms alone); and it hangs in a
   forked child. Refused: a team that is gathered before the call begins. A sleeping worker of a virtual machine comes after 4
   us at the median, but after 300 to 3,000 at the 99th percentile, and whatever a call is ready to wait, it then runs
   alone (LSTM, 100 steps of 1 row and 512 units: 11 ms, not 3.5, for a third of the calls). */
#include "thread_pool.h"
#include <limits.h>
#include <pthread.h>
#include <sched.h>
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
    /* A worker stays awake after a call for as long as it worked in it, within these bounds in nanoseconds, and then sleeps.
       While it is awake it offers its core to whoever wants it, every few microseconds. */
    AWAKE_LEAST = 50000,
    AWAKE_MOST = 2000000,
    OFFER = 64,           /* pauses between two offers, 2 to 5 us */
    /* Nanoseconds of work for which sleeping workers are woken: to wake one takes the caller 4 to 5 us in a virtual machine,
       and it comes about then. */
    WAKES = 25000,
    WOKEN = 2,            /* sleepers that the caller wakes, and that each of these wakes */
    BARE_SPINS = 40,      /* a neighbour in step comes within 100 ns; a pause alone takes up to 50 */
    BARRIER_SPINS = 1000, /* 20 to 50 us: many steps of a small cell, a small part of a time slice */
    /* Nanoseconds of a nap, once a neighbour is so late that it must be off its core. A thread that naps keeps its claim
       to a core for when the neighbour is back; one that calls sched_yield loses it, and a whole time slice to the busy
       process beside it: with one on each of two cores, a training pass of 64 rows and 256 units took 175 ms with
       yields (46 alone on the machine), 104 to 160 with naps, and 100 steps of 1 row and 256 units 68 ms at the worst,
       not 9. */
    NAP = 20000,
};

/* The door: a call's number, whether workers may still enter, and how many threads have, the caller included. */
#define OPEN (1ull << 31)
#define ENTERED(g) ((int)((g) & 0xffff))
#define CALL(g) ((g) >> 32)

/* Who reads and writes what, and why that is in order. The caller that set `busy` (acquire; it clears it with release) alone
   touches `started`. It writes `work` and `job` before it opens the door, and workers read them only once they have
   entered (acquire); it writes them again only when all that entered have `left` (release, read with acquire). `wanted` is
   also read by a worker that comes late, while the next call is being prepared: what it then makes of it is of no use, as
   entering fails where the door has moved on. `sleeping` and the opened door are in one order for all (seq_cst): either
   the caller sees a sleeper and wakes it, or the sleeper sees the open door. */
static struct {
    uint64_t door __attribute__((aligned(64)));
    int left __attribute__((aligned(64)));
    int busy __attribute__((aligned(64))); /* a call has the pool; another one meanwhile runs alone */
    cs_work *work;
    void *job;
    int wanted, started, sleeping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static int limit = INT_MAX;

static void in_child(void) {
    pool.door = 0;
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

void cs_wait(int i) {
    if (i < BARE_SPINS) return;
    if (i < BARRIER_SPINS) pause_cpu();
    else nanosleep(&(struct timespec){0, NAP}, 0);
}

static int64_t nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static void flushed(cs_work *work, void *job, int me, int most) {
    uint64_t mode = cs_float_mode_set(1);
    work(job, me, most);
    cs_float_mode_restore(mode);
}

/* Wakes some sleepers; those wake others, so that the caller of many need not. */
static void wake_some(void) {
    pthread_mutex_lock(&pool.lock);
    for (int i = 0; i < WOKEN && i < __atomic_load_n(&pool.sleeping, __ATOMIC_RELAXED); i++)
        pthread_cond_signal(&pool.wake);
    pthread_mutex_unlock(&pool.lock);
}

static int has_room(uint64_t door) {
    return (door & OPEN) && ENTERED(door) < __atomic_load_n(&pool.wanted, __ATOMIC_RELAXED);
}

/* Waits for a call that this worker has not seen: awake for so long, then asleep. */
static uint64_t next_call(uint64_t seen, int64_t awake) {
    uint64_t door;
    int64_t until = nanoseconds() + awake;
    for (int i = 1;; i++) {
        door = __atomic_load_n(&pool.door, __ATOMIC_ACQUIRE);
        if (CALL(door) != seen) return door;
        pause_cpu();
        if (i % OFFER) continue;
        if (nanoseconds() > until) break;
        sched_yield();
    }
    pthread_mutex_lock(&pool.lock);
    __atomic_add_fetch(&pool.sleeping, 1, __ATOMIC_SEQ_CST);
    while (CALL(door = __atomic_load_n(&pool.door, __ATOMIC_SEQ_CST)) == seen)
        pthread_cond_wait(&pool.wake, &pool.lock);
    int others = __atomic_sub_fetch(&pool.sleeping, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&pool.lock);
    if (others && has_room(door)) wake_some();
    return door;
}

static void *worker(void *unused) {
    (void)unused;
    int64_t awake = AWAKE_LEAST;
    for (uint64_t seen = 0;;) {
        uint64_t door = next_call(seen, awake);
        seen = CALL(door);
        int entered = 0;
        while (CALL(door) == seen && has_room(door) && !entered)
            entered = __atomic_compare_exchange_n(&pool.door, &door, door + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
        if (!entered) continue;
        int64_t began = nanoseconds();
        flushed(pool.work, pool.job, ENTERED(door), __atomic_load_n(&pool.wanted, __ATOMIC_RELAXED));
        awake = nanoseconds() - began;
        awake = awake < AWAKE_LEAST ? AWAKE_LEAST : awake < AWAKE_MOST ? awake : AWAKE_MOST;
        __atomic_add_fetch(&pool.left, 1, __ATOMIC_ACQ_REL);
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

void cs_call(int threads, int64_t alone, cs_work *work, void *job) {
    if (threads < 2 || __atomic_exchange_n(&pool.busy, 1, __ATOMIC_ACQUIRE)) {
        flushed(work, job, 0, 1);
        return;
    }
    if (threads > MOST) threads = MOST;
    if (pool.started < threads - 1) start_workers(threads);
    pool.work = work;
    pool.job = job;
    __atomic_store_n(&pool.wanted, threads, __ATOMIC_RELAXED);
    __atomic_store_n(&pool.left, 0, __ATOMIC_RELAXED);
    uint64_t call = CALL(__atomic_load_n(&pool.door, __ATOMIC_RELAXED)) + 1;
    __atomic_store_n(&pool.door, (call << 32) | OPEN | 1, __ATOMIC_SEQ_CST);
    if (alone >= WAKES && __atomic_load_n(&pool.sleeping, __ATOMIC_SEQ_CST)) wake_some();
    flushed(work, job, 0, threads);
    int inside = ENTERED(__atomic_and_fetch(&pool.door, ~OPEN, __ATOMIC_ACQ_REL)) - 1;
    for (int i = 0; __atomic_load_n(&pool.left, __ATOMIC_ACQUIRE) < inside; i++) cs_wait(i);
    __atomic_store_n(&pool.busy, 0, __ATOMIC_RELEASE);
}

/* ---- pieces ---- */

typedef struct {
    cs_work *part;
    void *job;
    int pieces, turned;
    uint64_t taken; /* a bit a piece */
} piece_call;

/* From a thread's home on, around. */
static void take_pieces(void *pieces_of, int me, int most) {
    piece_call *c = pieces_of;
    int n = c->pieces, home = (int)((int64_t)me * n / most);
    for (int i = 0; i < n; i++) {
        int piece = home + i < n ? home + i : home + i - n;
        if (c->turned) piece = n - 1 - piece;
        uint64_t bit = 1ull << piece;
        if (__atomic_load_n(&c->taken, __ATOMIC_RELAXED) & bit) continue;
        if (!(__atomic_fetch_or(&c->taken, bit, __ATOMIC_RELAXED) & bit)) c->part(c->job, piece, n);
    }
}

void cs_pieces(int threads, int64_t alone, int pieces, int turned, cs_work *part, void *job) {
    piece_call c = {part, job, pieces < CS_PIECES ? pieces : CS_PIECES, turned, 0};
    cs_call(threads < c.pieces ? threads : c.pieces, alone, take_pieces, &c);
}

/* ---- for work that must know before it begins how many threads there are: the caller waits a little for them ---- */

enum { PATIENCE = 100000 };

/* The barrier of the call that has the pool: each thread's count of barriers, and what it was told in each round. */
static struct {
    int phase, heard[8];
    char pad[28];
} places[MOST] __attribute__((aligned(64)));

typedef struct {
    cs_work *work;
    void *job;
    int64_t patience;
    int roster; /* how many came; its sign bit: closed */
} fixed_call;

static void fixed(void *call, int me, int most) {
    fixed_call *c = call;
    int came = __atomic_load_n(&c->roster, __ATOMIC_ACQUIRE);
    if (me == 0) {
        if (most > 1) memset(places, 0, (size_t)most * sizeof places[0]);
        int64_t end = nanoseconds() + c->patience;
        for (int i = 1; __atomic_load_n(&c->roster, __ATOMIC_ACQUIRE) < most; i++) {
            pause_cpu();
            if (i % 16 == 0 && nanoseconds() > end) break;
        }
        came = __atomic_fetch_or(&c->roster, INT_MIN, __ATOMIC_ACQ_REL);
        c->work(c->job, 0, came);
        return;
    }
    while (came > 0 && !__atomic_compare_exchange_n(&c->roster, &came, came + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    if (came < 0) return;
    for (int i = 0, all; (all = __atomic_load_n(&c->roster, __ATOMIC_ACQUIRE)) > 0; i++) cs_wait(i);
    c->work(c->job, came, __atomic_load_n(&c->roster, __ATOMIC_ACQUIRE) & INT_MAX);
}

void cs_parallel(int threads, int64_t alone, cs_work *work, void *job) {
    fixed_call c = {work, job, alone / 4 < PATIENCE ? alone / 4 : PATIENCE, 1};
    cs_call(threads, alone, fixed, &c);
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
    static int probing;
    int64_t now = nanoseconds();
    if (__atomic_exchange_n(&probing, 1, __ATOMIC_ACQUIRE)) return UNKNOWN;
    int again = now - measured.asked < LOOP + 2 * alone || now < measured.until || alone > LONG;
    if (threads != measured.threads) measured.until = 0;
    /* A call by itself is not worth a probe: workers that sleep take longer to come than a small call takes alone. */
    if (again && now >= measured.until) {
        int64_t cost = UNKNOWN;
        fixed_call c = {probe, &cost, PROBE_PATIENCE, 1};
        cs_call(threads, LONG, fixed, &c);
        int came = c.roster & INT_MAX;
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
    __atomic_store_n(&probing, 0, __ATOMIC_RELEASE);
    return cost;
}

void cs_barrier(int me, int threads) {
    int phase = ++places[me].phase;
    for (int round = 0, d = 1; d < threads; round++, d *= 2) {
        int next = me + d < threads ? me + d : me + d - threads;
        __atomic_store_n(&places[next].heard[round], phase, __ATOMIC_RELEASE);
        for (int i = 0; __atomic_load_n(&places[me].heard[round], __ATOMIC_ACQUIRE) - phase < 0; i++)
            cs_wait(i);
    }
}
