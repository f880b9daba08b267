/* Calls of the thread pool from several threads at once, for the thread sanitizer: each thread of a call adds to its own
   place, waits for the others, and reads theirs; pieces of a job, each made once by whoever comes; jobs that go from step to step, each of which reads what the one before wrote; and memory that one
   thread returns to the pool and another takes. Prints nothing and returns 0 where all is right. */
#include "memory.h"
#include "progress.h"
#include "thread_pool.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLERS = 3, CALLS = 400, ROUNDS = 5, MOST_THREADS = 4 };

typedef struct {
    long place[MOST_THREADS];
    int came, wrong;
} job;

static void work(void *p, int thread, int threads) {
    job *j = p;
    if (thread == 0) j->came = threads;
    for (int round = 1; round <= ROUNDS; round++) {
        j->place[thread] += round;
        if (threads > 1) cs_barrier(thread, threads);
        for (int i = 0; i < threads; i++)
            if (j->place[i] != j->place[thread]) __atomic_store_n(&j->wrong, 1, __ATOMIC_RELAXED);
        if (threads > 1) cs_barrier(thread, threads);
    }
}

/* Numbers up to a limit, taken by whoever comes, each once. */
typedef struct {
    int next, last;
    long sums[MOST_THREADS][8]; /* each thread's */
    char taken[CS_PIECES];
} numbers;

static void take_numbers(void *p, int me, int most) {
    numbers *n = p;
    for (int i; me < most && (i = __atomic_fetch_add(&n->next, 1, __ATOMIC_RELAXED)) <= n->last;) n->sums[me][0] += i;
}

static void take_piece(void *p, int piece, int pieces) {
    numbers *n = p;
    n->taken[piece] += pieces == n->last;
}

/* What was missed, or made twice. */
static long wrong_pieces(int threads, unsigned *state) {
    long wrong = 0, sum = 0;
    numbers n = {1, 1 + rand_r(state) % CS_PIECES, {{0}}, {0}};
    cs_call(threads, 1000000, take_numbers, &n);
    for (int i = 0; i < MOST_THREADS; i++) sum += n.sums[i][0];
    wrong += sum != (long)n.last * (n.last + 1) / 2;
    cs_pieces(threads, 1000000, n.last, rand_r(state) % 2, take_piece, &n);
    for (int i = 0; i < CS_PIECES; i++) wrong += n.taken[i] != (i < n.last);
    return wrong;
}

/* Each step of the first job writes a number, and of the others adds one to that of the job before. */
enum { JOBS = 4, STEPS = 50 };
typedef struct {
    long step[JOBS][STEPS];
    cs_progress progress[JOBS];
} chain;

static void add_one(cs_progress *p, int64_t from, int64_t to) {
    chain *c = p->job;
    long i = p - c->progress;
    for (int64_t t = from; t < to; t++) c->step[i][t] = i ? c->step[i - 1][t] + 1 : t;
}

static long wrong_steps(int threads, unsigned *state) {
    long wrong = 0;
    chain c = {0};
    for (int i = 0; i < JOBS; i++)
        c.progress[i] = (cs_progress){&c, 0, STEPS, 1 + rand_r(state) % 20, i - 1, rand_r(state) % 3 == 0, 0};
    for (int calls = 0; calls < JOBS * STEPS && c.progress[JOBS - 1].done < STEPS; calls++)
        cs_advance(threads, 1000000, JOBS, c.progress, add_one, calls < 3 ? 0 : INT64_MAX);
    for (int i = 0; i < JOBS * STEPS; i++) wrong += c.step[i / STEPS][i % STEPS] != i % STEPS + i / STEPS;
    return wrong;
}

static void *call(void *seed) {
    long wrong = 0;
    unsigned state = (unsigned)(size_t)seed;
    for (int i = 0; i < CALLS; i++) {
        job j = {{0}, 0, 0};
        size_t size = 4096 << (rand_r(&state) % 3);
        char *memory = cs_pool_take(size);
        memory[0] = memory[size - 1] = 1;
        cs_pool_return(memory);
        int threads = 1 + rand_r(&state) % MOST_THREADS;
        if (i % 16 == 0) cs_limit_threads(1 + rand_r(&state) % 8);
        if (i % 3 == 0) cs_barrier_cost(2 + rand_r(&state) % 3, 1000000);
        cs_parallel(threads < cs_threads() ? threads : cs_threads(), 1000000, work, &j);
        wrong += wrong_pieces(threads, &state) + wrong_steps(threads, &state);
        wrong += j.wrong || j.came < 1;
        for (int t = 0; t < j.came; t++) wrong += j.place[t] != ROUNDS * (ROUNDS + 1) / 2;
    }
    return (void *)wrong;
}

int main(void) {
    pthread_t callers[CALLERS];
    long wrong = 0;
    for (size_t i = 0; i < CALLERS; i++) pthread_create(&callers[i], 0, call, (void *)(i + 1));
    for (size_t i = 0; i < CALLERS; i++) {
        void *found;
        pthread_join(callers[i], &found);
        wrong += (long)found;
    }
    if (wrong) fprintf(stderr, "%ld wrong\n", wrong);
    return wrong != 0;
}
