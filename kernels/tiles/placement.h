/* Where a worker of the thread pool wakes up: on a core of its own. */
#ifndef CELLSTEP_PLACEMENT_H
#define CELLSTEP_PLACEMENT_H

/* The core that this thread is on; -1 where that is not known. */
int cs_core(void);

/* Processors that this process may run on. */
int cs_processors(void);

/* A worker's, before it sleeps and after: it will wake on the core where it is now, or on another one if that is the `avoided` one;
   awake it may be on any of those that it was allowed before. The place is the worker's own, and nobody else's as long
   as cs_rest and cs_moved are called under one lock. */
typedef struct cs_place cs_place;
cs_place *cs_place_of(int worker);
void cs_rest(cs_place *p, int avoided);
void cs_rise(cs_place *p);

/* Another thread's: a worker that rests, and would wake on core `mine`, wakes on core `other` instead, if it may, or on a next one. */
void cs_make_way(cs_place *p, int mine, int other);

#endif
