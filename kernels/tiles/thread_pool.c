/* The thread pool: threads of our own that help with calls.

   A call is an open door. It starts at once with the threads there, the caller alone if need be; a worker that arrives
   while it runs takes part from then on, and nobody is waited for who is not inside. So neither a worker that sleeps nor one
   that a busy neighbour keeps off its core holds up a call, and one that comes late still helps with what is left.

   Refused: a parallel region of libgomp. Its fork and join wait for every thread of its team (LSTM training, 32 rows x 31
   steps x 24 units with two threads on a busy 2-core machine: 5 to 18 ms against 1 to 2 ms alone); and it hangs in a
   forked child. Refused: a team that is gathered before the call begins. A sleeping worker of a virtual machine comes after 4
   us at the median, but after 300 to 3,000 at the 99th percentile, and whatever a call is ready to wait, it then runs
   alone (LSTM, 100 steps of 1 row and 512 units: 11 ms, not 3.5, for a third of the calls). */
#include "thread_pool.h"
#include "placement.h"
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    MOST = 256,
    /* Nanoseconds for which a worker stays awake after a call. Refused: longer, with sched_yield every few microseconds, which
       forfeits the core to a busy thread for a time slice, and the claim to another one when it wakes (LSTM, 100 steps of 8 rows and
       128 units beside a busy process, and right after PyTorch: 1,560 and 1,530 us, not 800 and 820). */
    AWAKE = 100000,
    LOOKS = 32, /* pauses between two looks at the time */
    /* Nanoseconds of work for which sleeping workers are woken. In a virtual machine that takes the caller 4 to 5 us, and
       they come after 40 to 80, or 240 at the 90th percentile: too late for a shorter call, unless it belongs to a loop. */
    WAKES = 100000,
    LOOP = 50000, /* after the end of the call before */
    WOKEN = 2,            /* sleepers that the caller wakes, and that each of these wakes */
    BARE_SPINS = 40, /* a neighbour in step comes within 100 ns; a pause alone takes up to 50 */
    LATE_SPINS = 80, /* then it may be that a worker is on the caller's core */
    /* Nanoseconds for which a thread waits for another awake, longer than a nap really takes, or two threads that wait for each other's
       naps never come out of them; a small part of a time slice. Then it naps, as the other must be off its core. A
       thread that naps keeps its claim to a core for when the other is back; one that calls sched_yield loses it, and a whole time
       slice to the busy process beside it: with one on each of two cores, a training pass of 64 rows and 256 units took
       175 ms with yields (46 alone on the machine), 104 to 160 with naps. */
    SPIN_TIME = 300000,
    NAP = 20000,
    /* Nanoseconds for which the caller waits before it looks for workers off their cores, and for how long it looks. */
    LOST_TIME = 30000,
    AGAIN = 32, /* how often workers that have left may enter a call again */
    LOOK_TIME = 3000,
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
    int core; /* of the caller, in this call */
    int64_t ended; /* the caller's: when the call before did */
    cs_place *asleep[MOST]; /* by worker; NULL: awake, or woken. With the lock */
    cs_place *inside[MOST]; /* by worker; NULL: not in a call, or nothing is known of its core */
    cs_place *guest;        /* the caller's: a worker that it brought to its core */
    pthread_mutex_t lock;
    pthread_cond_t wake[MOST]; /* by worker */
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int processors, limit = INT_MAX, outside = INT_MAX;

static void in_child(void) {
    pool.door &= ~0xffffffffull; /* calls are counted on, and nobody is inside */
    pool.busy = pool.started = pool.sleeping = 0;
    memset(pool.asleep, 0, sizeof pool.asleep);
    memset(pool.inside, 0, sizeof pool.inside);
    pool.guest = 0;
    pthread_mutex_init(&pool.lock, 0);
}
/* The first entry of OMP_NUM_THREADS, or 0 where that is no number of threads. */
static int asked(void) {
    const char *text = getenv("OMP_NUM_THREADS");
    char *end;
    long n = text ? strtol(text, &end, 10) : 0;
    if (n <= 0 || n > INT_MAX) return 0;
    end += strspn(end, " ");
    return *end == 0 || *end == ',' ? (int)n : 0;
}

__attribute__((constructor)) static void loaded(void) {
    processors = asked();
    if (!processors) processors = cs_processors();
    pthread_atfork(0, 0, in_child);
}

/* The least of the processors, the limit, and the one from outside, if that is to count. */
static int least(int outside_too) {
    int n = __atomic_load_n(&limit, __ATOMIC_RELAXED), most = __atomic_load_n(&outside, __ATOMIC_RELAXED);
    if (processors < n) n = processors;
    if (outside_too && most < n) n = most;
    return n < 1 ? 1 : n < MOST ? n : MOST;
}

int cs_threads(void) { return least(1); }
void cs_limit_threads(int n) { __atomic_store_n(&limit, n, __ATOMIC_RELAXED); }
void cs_limit_from_outside(int n) { __atomic_store_n(&outside, n < least(0) ? n : INT_MAX, __ATOMIC_RELAXED); }

static void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int64_t cs_nanoseconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

/* Spins of SPIN_TIME and LOST_TIME, set before there is a worker; and the worker's own place, NULL in callers. */
static int spins = 1000, lost_spins = 100;
static __thread cs_place *own;

static void count_spins(void) {
    const int some = 200;
    int64_t began = cs_nanoseconds();
    for (int i = 0; i < some; i++) pause_cpu();
    int64_t took = cs_nanoseconds() - began + 1;
    spins = took > SPIN_TIME ? some : (int)(SPIN_TIME * some / took);
    lost_spins = spins / (SPIN_TIME / LOST_TIME) + 2 * LATE_SPINS;
}

/* The caller's, which others keep waiting: brings one who does not run to its own core. */
static int fetch_lost(void) {
    int64_t ran[MOST], began = cs_nanoseconds();
    for (int i = 0; i < pool.started; i++) {
        cs_place *p = __atomic_load_n(&pool.inside[i], __ATOMIC_ACQUIRE);
        ran[i] = p ? cs_time_run(p) : -1;
    }
    while (cs_nanoseconds() - began < LOOK_TIME) pause_cpu();
    for (int i = 0; i < pool.started; i++) {
        cs_place *p = __atomic_load_n(&pool.inside[i], __ATOMIC_ACQUIRE);
        if (!p || ran[i] < 0 || cs_time_run(p) != ran[i] || !cs_fetch(p, cs_core())) continue;
        pool.guest = p;
        return 1;
    }
    return 0;
}

int cs_must_leave(void) { return own && cs_is_guest(own); }

int cs_wait(int round) {
    if (round < BARE_SPINS) return 0;
    if (!own && pool.guest) {
        if (!cs_is_guest(pool.guest)) pool.guest = 0; /* it is about to leave */
        cs_nap(NAP);
        return 0;
    }
    /* a look costs up to 30 us, so ever more time lies between two */
    if (!own && round % lost_spins == 0 && (round / lost_spins & (round / lost_spins - 1)) == 0 && fetch_lost())
        return CS_FETCHED;
    if (round < spins && round != LATE_SPINS) {
        pause_cpu();
        return round == lost_spins / 2 ? CS_LATE : 0;
    }
    int core = __atomic_load_n(&pool.core, __ATOMIC_RELAXED);
    if (own && (round > LATE_SPINS || cs_core() == core)) cs_keep(own, core);
    if (round > LATE_SPINS) cs_nap(NAP);
    if (own) cs_rise(own);
    else __atomic_store_n(&pool.core, cs_core(), __ATOMIC_RELAXED);
    return 0;
}

static void flushed(cs_work *work, void *job, int me, int most) {
    uint64_t mode = cs_float_mode_set(1);
    work(job, me, most);
    cs_float_mode_restore(mode);
}

/* Wakes some sleepers; those wake others, so that the caller of many need not. The caller sees to it that none wakes on the
   core that is `mine` now, where the `other` is the one before. */
static void wake_some(int mine, int other) {
    pthread_mutex_lock(&pool.lock);
    for (int i = 0, woken = 0; i < MOST && woken < WOKEN && __atomic_load_n(&pool.sleeping, __ATOMIC_RELAXED); i++) {
        if (!pool.asleep[i]) continue;
        cs_prepare(pool.asleep[i], mine, other);
        pool.asleep[i] = 0;
        __atomic_sub_fetch(&pool.sleeping, 1, __ATOMIC_SEQ_CST);
        pthread_cond_signal(&pool.wake[i]);
        woken++;
    }
    pthread_mutex_unlock(&pool.lock);
}

static int has_room(uint64_t door, int more) {
    int most = __atomic_load_n(&pool.wanted, __ATOMIC_RELAXED) + more;
    return (door & OPEN) && ENTERED(door) < (most < MOST ? most : MOST);
}

static int enter(uint64_t *door) {
    return __atomic_compare_exchange_n(&pool.door, door, *door + 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Waits for a call that this worker has not seen: awake for a while, then asleep. */
static uint64_t next_call(int me, uint64_t seen) {
    uint64_t door;
    int64_t until = cs_nanoseconds() + AWAKE;
    for (int i = 1; i % LOOKS || cs_nanoseconds() < until; i++) {
        door = __atomic_load_n(&pool.door, __ATOMIC_ACQUIRE);
        if (CALL(door) != seen) return door;
        pause_cpu();
    }
    pthread_mutex_lock(&pool.lock);
    for (;; cs_rise(own)) {
        if (!pool.asleep[me]) {
            cs_rest(own);
            pool.asleep[me] = own;
            __atomic_add_fetch(&pool.sleeping, 1, __ATOMIC_SEQ_CST);
        }
        if (CALL(door = __atomic_load_n(&pool.door, __ATOMIC_SEQ_CST)) != seen) break;
        pthread_cond_wait(&pool.wake[me], &pool.lock);
    }
    if (pool.asleep[me]) __atomic_sub_fetch(&pool.sleeping, 1, __ATOMIC_SEQ_CST);
    pool.asleep[me] = 0;
    pthread_mutex_unlock(&pool.lock);
    cs_rise(own);
    if (__atomic_load_n(&pool.sleeping, __ATOMIC_SEQ_CST) && has_room(door, 0))
        wake_some(__atomic_load_n(&pool.core, __ATOMIC_RELAXED), -1);
    return door;
}

static void *worker(void *number) {
    const int me = (int)(intptr_t)number;
    own = cs_place_of(me);
    for (uint64_t seen = -1ull;;) {
        uint64_t door = next_call(me, seen);
        seen = CALL(door);
        int entered = 0;
        while (CALL(door) == seen && has_room(door, 0) && !entered) entered = enter(&door);
        while (entered) {
            __atomic_store_n(&pool.inside[me], own, __ATOMIC_RELEASE);
            flushed(pool.work, pool.job, ENTERED(door), __atomic_load_n(&pool.wanted, __ATOMIC_RELAXED));
            __atomic_store_n(&pool.inside[me], 0, __ATOMIC_RELAXED);
            __atomic_add_fetch(&pool.left, 1, __ATOMIC_ACQ_REL);
            entered = 0;
            if (!cs_is_guest(own)) continue;
            cs_keep(own, __atomic_load_n(&pool.core, __ATOMIC_RELAXED));
            cs_rise(own);
            door = __atomic_load_n(&pool.door, __ATOMIC_ACQUIRE);
            while (CALL(door) == seen && has_room(door, AGAIN) && !entered) entered = enter(&door);
        }
    }
    return 0;
}

static void start_workers(int wanted) {
    sigset_t every, before;
    if (pool.started == 0) count_spins();
    sigfillset(&every);
    pthread_sigmask(SIG_SETMASK, &every, &before); /* signals are for Python's threads */
    while (pool.started < wanted - 1) {
        pthread_t thread;
        pthread_cond_init(&pool.wake[pool.started], 0);
        if (pthread_create(&thread, 0, worker, (void *)(intptr_t)pool.started)) break;
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
    pool.guest = 0;
    int core = cs_core(), before = __atomic_exchange_n(&pool.core, core, __ATOMIC_RELAXED);
    __atomic_store_n(&pool.wanted, threads, __ATOMIC_RELAXED);
    __atomic_store_n(&pool.left, 0, __ATOMIC_RELAXED);
    uint64_t call = CALL(__atomic_load_n(&pool.door, __ATOMIC_RELAXED)) + 1;
    __atomic_store_n(&pool.door, (call << 32) | OPEN | 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&pool.sleeping, __ATOMIC_SEQ_CST) && (alone >= WAKES || cs_nanoseconds() - pool.ended < LOOP))
        wake_some(core, before);
    flushed(work, job, 0, threads);
    int inside = ENTERED(__atomic_and_fetch(&pool.door, ~OPEN, __ATOMIC_ACQ_REL)) - 1;
    for (int i = 0; __atomic_load_n(&pool.left, __ATOMIC_ACQUIRE) < inside; i++) cs_wait(i);
    pool.ended = cs_nanoseconds();
    __atomic_store_n(&pool.busy, 0, __ATOMIC_RELEASE);
}
