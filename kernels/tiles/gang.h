/* A gang: the threads of one call (thread_pool.h) that go through its steps together, each with a share of the units or
   rows, and a barrier where one reads what another wrote. It begins as the caller alone. A worker that comes is taken in at
   the next step, where the work is split anew; where a barrier turns out to cost more than the others bring, they are sent
   away and the caller goes on alone. */
#ifndef CELLSTEP_GANG_H
#define CELLSTEP_GANG_H
#include <stdint.h>

/* A thread's own: its number, which counts from 0, the caller; how many they are; barriers so far; and the caller's: how
   many there may be (1: never another; 0: others do not pay), and what it was told of the work. */
typedef struct {
    int me, size;
    uint32_t phase;
    int most;
    double gain;
} cs_member;

/* Joins the gang of this call. The caller (me = 0; `most` as cs_call tells) begins it, with `gain`: nanoseconds that one
   thread takes for what lies between two barriers. A worker waits until it is taken in, with the work at the place *at; 0
   where it is not wanted any more. */
int cs_gang_join(cs_member *m, int me, int most, double gain, int64_t *at);

/* Returns when all members have arrived. */
void cs_gang_barrier(cs_member *m);

/* The same at a place of the work where its split may change. Returns 1 where it has: there are other sizes; a member with
   me >= size leaves. */
int cs_gang_sync(cs_member *m, int64_t at);

/* The caller's, after its last sync: sends away who still waits. */
void cs_gang_close(const cs_member *m);

/* Nanoseconds that a barrier of so many threads takes: the median of the last ones measured in calls; a guess before there
   are any, and now and then where they were dear, so that it is tried again. */
double cs_barrier_cost(int threads);

#endif
