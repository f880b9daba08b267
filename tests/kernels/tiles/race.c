/* Calls of the thread pool from several threads at once, for the thread sanitizer: a gang whose parts add to cells of
   their own, and then read those of the others; pieces, each made once by one thread; jobs that go from step to step,
   each of which reads what the one before wrote; and memory that one thread returns to the pool and another takes. Prints
   nothing and returns 0 where all is right. */
#include "gang.h"
#include "memory.h"
#include "pieces.h"
#include "progress.h"
#include "thread_pool.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLERS = 3, CALLS = 300, MOST_THREADS = 4, CELLS = 12, STEPS = 60 };

typedef struct {
    long cell[CELLS];
    int parts, wrong;
} steps;

/* Phase 2 t adds t to a part's cells; phase 2 t + 1 reads all of them, of two steps in three. */
static int64_t next_of_steps(void *p, int64_t phase, int *together) {
    (void)p;
    if (phase % 6 == 1) phase++;
    *together = 1;
    return phase;
}

static void run_steps(void *p, int64_t phase, int first, int end) {
    steps *s = p;
    const long t = phase / 2;
    if (phase % 2 == 0) {
        for (int i = CELLS * first / s->parts; i < CELLS * end / s->parts; i++) s->cell[i] += t;
        return;
    }
    for (int i = 0; i < CELLS; i++)
        if (s->cell[i] != t * (t + 1) / 2) __atomic_store_n(&s->wrong, 1, __ATOMIC_RELAXED);
}

static void take_piece(void *p, int piece, int pieces) {
    char *taken = p;
    taken[piece] += pieces > 0;
}

/* Each step of the first job writes a number, and of the others adds one to that of the job before. */
enum { JOBS = 4, LENGTH = 50 };
typedef struct {
    long step[JOBS][LENGTH];
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
        c.progress[i] = (cs_progress){&c, 0, LENGTH, 1 + rand_r(state) % 20, i - 1, rand_r(state) % 3 == 0, 0};
    for (int calls = 0; calls < JOBS * LENGTH && c.progress[JOBS - 1].done < LENGTH; calls++)
        cs_advance(threads, 1000000, JOBS, c.progress, add_one, calls < 3 ? 0 : INT64_MAX);
    for (int i = 0; i < JOBS * LENGTH; i++) wrong += c.step[i / LENGTH][i % LENGTH] != i % LENGTH + i / LENGTH;
    return wrong;
}

static void *call(void *seed) {
    long wrong = 0;
    unsigned state = (unsigned)(size_t)seed;
    for (int i = 0; i < CALLS; i++) {
        size_t size = 4096 << (rand_r(&state) % 3);
        char *memory = cs_pool_take(size);
        memory[0] = memory[size - 1] = 1;
        cs_pool_return(memory);
        if (i % 16 == 0) cs_limit_threads(1 + rand_r(&state) % 8);
        int threads = 1 + rand_r(&state) % MOST_THREADS;
        threads = threads < cs_threads() ? threads : cs_threads();
        steps s = {{0}, 1 + rand_r(&state) % CELLS, 0};
        /* some find that others do not pay */
        cs_phases phases = {&s, run_steps, next_of_steps, 2 * STEPS, s.parts, rand_r(&state) % 4 ? 1e9 : 1};
        cs_gang(threads, 1000000, &phases);
        for (int k = 0; k < CELLS; k++) wrong += s.cell[k] != STEPS * (STEPS - 1) / 2;
        wrong += s.wrong;
        char taken[CS_PIECES] = {0};
        int pieces = 1 + rand_r(&state) % CS_PIECES;
        cs_pieces(threads, 1000000, pieces, rand_r(&state) % 2, take_piece, taken);
        for (int k = 0; k < CS_PIECES; k++) wrong += taken[k] != (k < pieces);
        wrong += wrong_steps(threads, &state);
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
