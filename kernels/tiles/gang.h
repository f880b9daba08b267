/* A gang: the threads of one call (thread_pool.h) that go through phases of work together. The work is split into parts, each of
   which has an owner, who runs its phases in order. A call begins with all parts the caller's. Who comes takes some over,
   at their next phase, and so does who waits in vain for an owner to begin one, as it has lost its core. */
#ifndef CELLSTEP_GANG_H
#define CELLSTEP_GANG_H
#include <stdint.h>

enum { CS_PARTS = 64 }; /* at most */

/* Phase `phase` of the parts from `first` to `end` - 1. */
typedef void cs_run_parts(void *job, int64_t phase, int first, int end);

/* The next phase, from this one on, in which there is something to do, and whether a part waits there until all parts are
   that far, as it reads what the others wrote, or writes what they read. */
typedef int64_t cs_next_phase(void *job, int64_t phase, int *together);

typedef struct {
    void *job;
    cs_run_parts *run;
    cs_next_phase *next;
    int64_t end;  /* the phase with which all is done */
    int parts;
    double gain;  /* nanoseconds that one thread takes for what lies between two phases in which parts wait */
} cs_phases;

/* Runs all phases of all parts on so many threads at most, where one would take `alone` nanoseconds. */
void cs_gang(int threads, int64_t alone, const cs_phases *phases);

/* Nanoseconds that so many threads take to wait for each other: the median of the last ones measured in calls; a guess
   before there are any, and now and then where they were dear, so that it is tried again. */
double cs_barrier_cost(int threads);

#endif
