/* The gang of the call that has the pool, its barrier, and what that costs. */
#include "gang.h"
#include "thread_pool.h"
#include <string.h>

enum {
    ROUNDS = 8, /* log2 of the most threads */
    TIMED = 3,  /* barriers with which a larger gang begins: the first aligns, the caller takes the time of the others */
    SAMPLES = 7,
    /* the rest in nanoseconds, of a round */
    GUESS = 200, /* cores that share a cache need 60, others 260 */
    DEAR = 4000, /* somebody was off his core */
    FIRST_RETRY = 2000000,
    LAST_RETRY = 100000000, /* waits double */
};

#define PAYS 0.7 /* of what a barrier may cost, as others are not always in step */

/* Who reads and writes what, and why that is in order. Only the call that has the pool has a gang, and only those inside
   touch it, one call's after the other's. The caller sets it up before it names the call (release; a worker waits for that
   with acquire). `came` numbers workers as they join. The caller alone decides on sizes: it writes size[phase & 1] before it
   arrives at barrier `phase`; the others read it behind that, and have done so before they arrive at `phase` + 1, which
   comes before it is written again. `admitted` is how many belong. The caller publishes it (release) behind the barrier
   at which it grows, with `at` and `phase`, which then stay until the new members (acquire) have come to the next barrier. */
static struct {
    uint32_t call __attribute__((aligned(64)));
    int admitted;
    int64_t at;
    uint32_t phase;
    int came __attribute__((aligned(64)));
    int size[2] __attribute__((aligned(64)));
} gang;

/* Each member's, in each round: the number of the barrier of which it was told. */
static struct {
    uint32_t heard[ROUNDS];
    char pad[64 - 4 * ROUNDS];
} places[1 << ROUNDS] __attribute__((aligned(64)));

/* What a round cost, lately: written by callers that have the pool, `median` and `retry` read by all. */
static struct {
    int64_t samples[SAMPLES], count, wait;
    int64_t median, retry;
} rounds = {.median = GUESS};

static int rounds_of(int size) {
    int n = 0;
    while (1 << n < size) n++;
    return n;
}

static void record(int64_t cost) {
    int64_t sorted[SAMPLES];
    int n = 0, known;
    rounds.samples[rounds.count++ % SAMPLES] = cost;
    known = rounds.count < SAMPLES ? (int)rounds.count : SAMPLES;
    for (int i = 0; i < known; i++) {
        int k = n++;
        for (; k > 0 && sorted[k - 1] > rounds.samples[i]; k--) sorted[k] = sorted[k - 1];
        sorted[k] = rounds.samples[i];
    }
    rounds.wait = cost < DEAR ? FIRST_RETRY : 2 * rounds.wait < LAST_RETRY ? 2 * rounds.wait : LAST_RETRY;
    __atomic_store_n(&rounds.median, sorted[n / 2], __ATOMIC_RELAXED);
    __atomic_store_n(&rounds.retry, cs_nanoseconds() + rounds.wait, __ATOMIC_RELAXED);
}

double cs_barrier_cost(int threads) {
    int64_t cost = __atomic_load_n(&rounds.median, __ATOMIC_RELAXED);
    if (cost >= DEAR && cs_nanoseconds() > __atomic_load_n(&rounds.retry, __ATOMIC_RELAXED)) cost = GUESS;
    return (double)cost * rounds_of(threads);
}

/* In round r each tells the one 2^r further on that it is there, and waits to be told by the one 2^r before: log2(size) times
   the way of a cache line from core to core (the dissemination barrier of Hensgen, Finkel and Manber, 1988). */
void cs_gang_barrier(cs_member *m) {
    uint32_t phase = ++m->phase;
    for (int round = 0, d = 1; d < m->size; round++, d *= 2) {
        int next = m->me + d < m->size ? m->me + d : m->me + d - m->size;
        __atomic_store_n(&places[next].heard[round], phase, __ATOMIC_RELEASE);
        for (int i = 0; (int32_t)(__atomic_load_n(&places[m->me].heard[round], __ATOMIC_ACQUIRE) - phase) < 0; i++)
            cs_wait(i);
    }
}

/* A gang that has grown begins with barriers, by which the caller knows whether it pays. */
static void try_out(cs_member *m) {
    int64_t best = INT64_MAX, before, now = 0;
    for (int i = 0; i < TIMED; i++) {
        before = now;
        cs_gang_barrier(m);
        if (m->me > 0) continue;
        now = cs_nanoseconds();
        if (i > 0 && now - before < best) best = now - before;
    }
    if (m->me > 0) return;
    record(best / rounds_of(m->size));
    if (cs_barrier_cost(m->size) > PAYS * (1 - 1. / m->size) * m->gain) m->most = 0;
}

int cs_gang_join(cs_member *m, int me, int most, double gain, int64_t *at) {
    *m = (cs_member){0, 1, 0, most, gain};
    if (me == 0) {
        if (most == 1) return 1;
        gang.admitted = 1;
        gang.came = 0;
        memset(places, 0, (size_t)most * sizeof places[0]);
        __atomic_store_n(&gang.call, cs_current_call(), __ATOMIC_RELEASE);
        return 1;
    }
    uint32_t call = cs_current_call();
    for (int i = 0; __atomic_load_n(&gang.call, __ATOMIC_ACQUIRE) != call; i++) cs_wait(i);
    m->me = __atomic_add_fetch(&gang.came, 1, __ATOMIC_RELAXED);
    for (int i = 0; (m->size = __atomic_load_n(&gang.admitted, __ATOMIC_ACQUIRE)) <= m->me; i++) {
        if (m->size == 0) return 0;
        cs_wait(i);
    }
    m->phase = gang.phase;
    *at = gang.at;
    try_out(m);
    return 1;
}

int cs_gang_sync(cs_member *m, int64_t at) {
    int before = m->size, size = 1;
    if (m->me == 0 && m->most > 1) {
        size += __atomic_load_n(&gang.came, __ATOMIC_RELAXED);
        size = size < m->most ? size : m->most;
    }
    if (before > 1) {
        if (m->me == 0) __atomic_store_n(&gang.size[(m->phase + 1) & 1], size, __ATOMIC_RELAXED);
        cs_gang_barrier(m);
        if (m->me > 0) size = __atomic_load_n(&gang.size[m->phase & 1], __ATOMIC_RELAXED);
    }
    if (size == before) return 0;
    m->size = size;
    if (size < before) {
        cs_gang_close(m);
        return 1;
    }
    if (m->me == 0) {
        gang.phase = m->phase;
        gang.at = at;
        __atomic_store_n(&gang.admitted, size, __ATOMIC_RELEASE);
    }
    try_out(m);
    return 1;
}

void cs_gang_close(const cs_member *m) {
    if (m->me == 0 && m->most != 1) __atomic_store_n(&gang.admitted, 0, __ATOMIC_RELEASE);
}
