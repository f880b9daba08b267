/* Jobs that go from step to step in order, such as layers over a sequence, several of them in one call. */
#ifndef CELLSTEP_PROGRESS_H
#define CELLSTEP_PROGRESS_H
#include <stdint.h>

/* How far a job is: it runs steps from `done` to `end`, in parts that end at multiples of `stretch`. Where `after` is not
   negative, a step waits for the same step of that job, counted from the end, or where `whole` for all of its steps. */
typedef struct {
    void *job;
    int64_t done, end, stretch;
    int after, whole, taken;
} cs_progress;

typedef void cs_advance_part(cs_progress *job, int64_t from, int64_t to);

/* Runs all jobs in one call of the pool (thread_pool.h), a part of one by one thread. A thread goes on with the job that it
   ran last, that of its number at first, unless another that nobody runs lies far behind. After the time `until`
   (CLOCK_MONOTONIC, in nanoseconds) nobody takes another part; calling it again goes on. */
void cs_advance(int threads, int64_t alone, int jobs, cs_progress *job, cs_advance_part *run, int64_t until);

#endif
