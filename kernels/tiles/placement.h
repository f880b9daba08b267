/* Where a worker of the thread pool wakes up: on a core of its own; and what becomes of one that has lost its core. */
#ifndef CELLSTEP_PLACEMENT_H
#define CELLSTEP_PLACEMENT_H
#include <stdint.h>

/* The core that this thread is on; -1 where that is not known. */
int cs_core(void);

/* Processors that this process may run on. */
int cs_processors(void);

/* The calling worker's place. Where the kernel knows that (Linux 6.12), it asks for short time slices, so that it soon has a
   core when it wakes, and soon loses it to others. */
typedef struct cs_place cs_place;
cs_place *cs_place_of(int worker);

/* A worker's own, before it sleeps; then another thread's, under the lock that the sleeper holds, before it wakes it:
   it will wake on the core where it was, or on the `other` one, if it may, or a next one, if that is `mine`. */
void cs_rest(cs_place *p);
void cs_prepare(cs_place *p, int mine, int other);

/* A worker's own: it stays on the core where it is, or on another one if that is the `avoided` one; until it rises, once
   awake, when it may be on any of those that it was allowed before, unless somebody else has changed that. */
void cs_keep(cs_place *p, int avoided);
void cs_rise(cs_place *p);

/* The caller's, about a worker inside its call: nanoseconds for which it has run, -1 if that is not known; and, where it is
   found not to run, brings it to this `core`, which the caller then has to leave. Returns whether it did. The worker is a
   guest there until it keeps to a core and rises. */
int64_t cs_time_run(const cs_place *p);
int cs_fetch(cs_place *p, int core);
int cs_is_guest(const cs_place *p);

/* Any thread's: sleeps for so many nanoseconds and little more. */
void cs_nap(long nanoseconds);

#endif
