/* Jobs that go from step to step, each by one thread at a time.

   `done` is written by who has `taken` a job (acquire, release) and read by all (acquire), so that the steps after it may
   read what it wrote. */
#include "progress.h"
#include "thread_pool.h"
#include <time.h>

/* How far behind, as a part of all steps, the job must lie that a thread leaves its own for, which its cache is warm for. */
#define FAR (1. / 8)

typedef struct {
    int jobs;
    cs_progress *job;
    cs_advance_part *run;
    int64_t until;
    int stop;
} advance_call;

static int64_t done_by(const cs_progress *p) { return __atomic_load_n(&p->done, __ATOMIC_ACQUIRE); }

/* Where the part that begins at `from` ends; there, if it cannot run yet. */
static int64_t reach(const advance_call *c, const cs_progress *p, int64_t from) {
    int64_t to = (from / p->stretch + 1) * p->stretch;
    if (to > p->end) to = p->end;
    if (p->after < 0) return to;
    const cs_progress *before = c->job + p->after;
    return before->end - done_by(before) <= (p->whole ? 0 : p->end - to) ? to : from;
}

/* The job to go on with, -1 if none can run now; `left`: how many are not done. */
static int choose(const advance_call *c, int own, int *left) {
    int best = -1;
    double most = 0;
    *left = 0;
    for (int i = 0; i < c->jobs; i++) {
        const cs_progress *p = c->job + i;
        int64_t from = done_by(p);
        *left += from < p->end;
        if (from >= p->end || __atomic_load_n(&p->taken, __ATOMIC_RELAXED) || reach(c, p, from) == from) continue;
        double ahead = (double)(p->end - from) / (double)p->end + (i == own ? FAR : 0);
        if (ahead > most) most = ahead, best = i;
    }
    return best;
}

static int late(int64_t until) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec > until;
}

static void take_parts(void *call, int me, int most) {
    advance_call *c = call;
    int own = me % c->jobs, left;
    (void)most;
    for (int round = 0; !__atomic_load_n(&c->stop, __ATOMIC_RELAXED); round++) {
        int i = choose(c, own, &left);
        if (!left) return;
        if (i < 0) {
            cs_wait(round);
            continue;
        }
        cs_progress *p = c->job + i;
        if (__atomic_exchange_n(&p->taken, 1, __ATOMIC_ACQUIRE)) continue;
        int64_t from = done_by(p), to = from < p->end ? reach(c, p, from) : from;
        if (to > from) {
            c->run(p, from, to);
            __atomic_store_n(&p->done, to, __ATOMIC_RELEASE);
            own = i;
            round = -1;
        }
        __atomic_store_n(&p->taken, 0, __ATOMIC_RELEASE);
        if (cs_must_leave()) return;
        if (late(c->until)) __atomic_store_n(&c->stop, 1, __ATOMIC_RELAXED);
    }
}

void cs_advance(int threads, int64_t alone, int jobs, cs_progress *job, cs_advance_part *run, int64_t until) {
    advance_call c = {jobs, job, run, until, 0};
    cs_call(threads < jobs ? threads : jobs, alone, take_parts, &c);
}
