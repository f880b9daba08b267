/* Parts with owners, whom to wait for, and what that costs. */
#include "gang.h"
#include "thread_pool.h"

enum {
    TIMED = 16, /* waits of the caller's that are timed in a call, of which the shortest counts */
    SAMPLES = 7,
    /* the rest in nanoseconds, of a round */
    GUESS = 200, /* cores that share a cache need 60, others 260 */
    DEAR = 4000, /* somebody was off his core */
    FIRST_RETRY = 2000000,
    LAST_RETRY = 100000000, /* waits double */
};

#define PAYS 0.7 /* of what waiting may cost, as others are not always in step */

/* Who reads and writes what, and why that is in order. A part's phase is run by the thread that has `begun` it (compare and exchange), so
   by one, and is over when `done` says so (release; who waits for it acquires). `owner` only says who tries: so it
   may change at any time. Each change counts `changes` on, for others to look how many parts each has. The caller alone writes
   `timed` and `closed`. All of it lies in the caller's stack, which stays until all have left the call. */
typedef struct {
    int64_t done __attribute__((aligned(128))); /* the phase that comes next */
    int64_t when;                               /* nanoseconds: since when, while waits are timed */
    int64_t begun __attribute__((aligned(128))); /* the same, or more while that is run */
} part;

typedef struct {
    part part[CS_PARTS];
    uint8_t owner[CS_PARTS] __attribute__((aligned(64)));
    uint32_t changes;
    int timed, closed; /* closed: others do not pay */
    int64_t best;      /* of the waits timed, nanoseconds from one's end of a phase to another's noticing */
    const cs_phases *as;
} gang;

#define GET(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define SET(x, value) __atomic_store_n(&(x), value, __ATOMIC_RELAXED)

/* What a wait cost, lately: written by callers that have the pool, `median` and `retry` read by all. */
static struct {
    int64_t samples[SAMPLES], count, wait;
    int64_t median, retry;
} rounds = {.median = GUESS};

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
    SET(rounds.median, sorted[n / 2]);
    SET(rounds.retry, cs_nanoseconds() + rounds.wait);
}

double cs_barrier_cost(int threads) {
    int64_t cost = GET(rounds.median);
    if (cost >= DEAR && cs_nanoseconds() > GET(rounds.retry)) cost = GUESS;
    int n = 0; /* a line of each other thread's, which come side by side */
    while (1 << n < threads) n++;
    return (double)cost * n;
}

static int take_over(gang *g, int p, int from, int me) {
    uint8_t owner = (uint8_t)from;
    return __atomic_compare_exchange_n(&g->owner[p], &owner, (uint8_t)me, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

/* Takes half of what another has more than this one, of its last parts, so that an owner's lie together. */
static void even_out(gang *g, int me) {
    int count[256] = {0}, most = me, taken = 0;
    for (int p = 0; p < g->as->parts; p++) {
        int owner = GET(g->owner[p]);
        if (++count[owner] > count[most]) most = owner;
    }
    if (me > 0 && GET(g->closed)) return;
    for (int p = g->as->parts - 1, n = (count[most] - count[me]) / 2; p >= 0 && n > 0; p--)
        if (GET(g->owner[p]) == most && take_over(g, p, most, me)) n--, taken = 1;
    if (taken) __atomic_add_fetch(&g->changes, 1, __ATOMIC_RELEASE);
}

/* All that this thread has. */
static void give_to_caller(gang *g, int from) {
    for (int p = 0; p < g->as->parts; p++) take_over(g, p, from, 0);
    __atomic_add_fetch(&g->changes, 1, __ATOMIC_RELEASE);
}

/* The caller's: what it had to wait, once another was through; and whether it pays to wait so long for others. */
static void time_wait(gang *g, int64_t when) {
    int64_t took = cs_nanoseconds() - when;
    if (when && took < g->best) g->best = took;
    SET(g->timed, g->timed - 1);
    if (g->timed > 0 || g->best == INT64_MAX) return;
    record(g->best);
    if (cs_barrier_cost(2) <= PAYS * g->as->gain / 2) return;
    SET(g->closed, 1);
    for (int p = 0; p < g->as->parts; p++) SET(g->owner[p], 0);
    __atomic_add_fetch(&g->changes, 1, __ATOMIC_RELEASE);
}

static int64_t done(const part *p) { return __atomic_load_n(&p->done, __ATOMIC_ACQUIRE); }

/* Until all parts have come to a phase; 0 if this thread has taken a part over meanwhile. */
static int wait_for_all(gang *g, int me, int64_t phase) {
    for (int p = 0; p < g->as->parts; p++) {
        part *one = &g->part[p];
        int round = 0;
        for (int64_t at; (at = done(one)) < phase; round++) {
            int what = cs_wait(round), owner = GET(g->owner[p]);
            if (what != CS_FETCHED && (what != CS_LATE || GET(one->begun) != at)) continue;
            if (owner != me && take_over(g, p, owner, me)) __atomic_add_fetch(&g->changes, 1, __ATOMIC_RELEASE);
            return 0;
        }
        if (round > 0 && me == 0 && GET(g->timed) > 0) time_wait(g, GET(one->when));
    }
    return 1;
}

/* This phase of one's own parts that are there; 0 if none was, or others run them. */
static int run_own(gang *g, int me, int64_t phase) {
    int ran = 0, together;
    for (int p = 0; p < g->as->parts; p++) {
        int first = p;
        for (; p < g->as->parts; p++) {
            int64_t begun = phase;
            if (GET(g->owner[p]) != me || done(&g->part[p]) != phase) break;
            if (!__atomic_compare_exchange_n(&g->part[p].begun, &begun, phase + 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
                break;
        }
        if (p == first) continue;
        g->as->run(g->as->job, phase, first, p);
        const int64_t next = phase + 1 < g->as->end ? g->as->next(g->as->job, phase + 1, &together) : g->as->end;
        const int64_t now = GET(g->timed) > 0 ? cs_nanoseconds() : 0;
        for (int i = first; i < p; i++) {
            SET(g->part[i].begun, next);
            SET(g->part[i].when, now);
            __atomic_store_n(&g->part[i].done, next, __ATOMIC_RELEASE);
        }
        ran = 1;
    }
    return ran;
}

static void go_through(void *call, int me, int most) {
    gang *g = call;
    uint32_t seen = 0, changes;
    int together = 0;
    (void)most;
    for (int round = 0;;) {
        if ((changes = __atomic_load_n(&g->changes, __ATOMIC_ACQUIRE)) != seen) {
            seen = changes;
            even_out(g, me);
        }
        int64_t phase = g->as->end;
        for (int p = 0, own = 0; p < g->as->parts; p++) {
            if (GET(g->owner[p]) != me) continue;
            const int64_t at = done(&g->part[p]);
            if (!own++ || at < phase) phase = at;
        }
        if (phase == g->as->end) {
            if (me > 0 || wait_for_all(g, me, phase)) return;
            continue;
        }
        g->as->next(g->as->job, phase, &together);
        if (together && !wait_for_all(g, me, phase)) continue;
        if (run_own(g, me, phase)) round = 0;
        else cs_wait(round++);
        if (cs_must_leave()) {
            give_to_caller(g, me);
            return;
        }
    }
}

void cs_gang(int threads, int64_t alone, const cs_phases *phases) {
    gang g;
    int together;
    g.as = phases;
    g.changes = 1;
    g.timed = TIMED;
    g.closed = 0;
    g.best = INT64_MAX;
    const int64_t first = phases->next(phases->job, 0, &together);
    for (int p = 0; p < phases->parts; p++) {
        g.owner[p] = 0;
        g.part[p].done = g.part[p].begun = first;
        g.part[p].when = 0;
    }
    cs_call(threads, alone, go_through, &g);
}
