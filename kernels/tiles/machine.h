/* What one core of this machine does at best, by which calls are shared between threads. */
#ifndef CELLSTEP_MACHINE_H
#define CELLSTEP_MACHINE_H
#include "tiles.h"

typedef struct {
    double fma;  /* vectors of multiply-adds a nanosecond */
    double near; /* bytes a nanosecond from the core's own L2 cache */
    double far;  /* and from beyond it */
    double l2;   /* bytes of it */
} cs_machine;

/* Measured once in a process, at the first call that `asks`, which takes about a millisecond; until then a guess. */
const cs_machine *cs_this_machine(const cs_tiles *tiles, int asks);

#endif
