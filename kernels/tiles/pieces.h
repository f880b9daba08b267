#ifndef CELLSTEP_PIECES_H
#define CELLSTEP_PIECES_H
#include "thread_pool.h"

/* A call (thread_pool.h) in pieces that wait for no other, at most CS_PIECES: runs part(job, piece, pieces) for each. The
   threads take them one after the other, until none is left: so one that comes late, or loses its core for a while, leaves to
   the others what it does not do. Each begins with pieces of its own, which are the same in the next call and so perhaps still
   in its cache; `turned`: from the last to the first. */
enum { CS_PIECES = 64 };
void cs_pieces(int threads, int64_t alone, int pieces, int turned, cs_work *part, void *job);

#endif
