/* The memory pool: large blocks that are freed are kept, by size class, for the next allocation: a training loop
   allocates the same sizes again and again, and the system takes as long to clear fresh pages as 8 % of a training pass
   (64 rows, 256 units), or half of one (1 row, 96 units).

   The lists are locked for a few instructions. A thread that finds them locked calls malloc instead of waiting, so that
   a child forked meanwhile, in which no thread will unlock them, still works. */
#include "memory.h"
#include <stdint.h>
#include <stdlib.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

enum {
    SMALL = 4096,          /* bytes below which malloc keeps its pages itself */
    LOWEST = 12,           /* log2 of SMALL */
    OCTAVES = 28,
    STEPS = 4,             /* size classes an octave */
    HEADER = 64,
    HUGE_PAGE = 1 << 21,
};
static const size_t MOST = (size_t)1 << 28; /* bytes kept in all */

typedef struct block {
    struct block *next;
    size_t size;
    int class;
    void *raw;
} block;

static block *lists[OCTAVES * STEPS];
static size_t kept;
static int locked;

static int try_lock(void) { return !__atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE); }
static void unlock(void) { __atomic_store_n(&locked, 0, __ATOMIC_RELEASE); }

/* The class of a size, which is rounded up to the largest of that class; -1 for sizes that are not kept. */
static int class_of(size_t *size) {
    if (*size < SMALL || *size > MOST) return -1;
    int octave = 63 - __builtin_clzll((unsigned long long)(*size - 1));
    size_t step = ((size_t)1 << octave) / STEPS;
    size_t n = (*size - 1 - ((size_t)1 << octave)) / step;
    *size = ((size_t)1 << octave) + (n + 1) * step;
    return (octave - LOWEST + 1) * STEPS + (int)n;
}

/* Large blocks in huge pages, where the system gives them if asked: after a pause, weights of megabytes are read again at half
   the time, as their pages need not be looked up. */
static char *allocate(size_t size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    void *memory;
    if (size >= HUGE_PAGE && !posix_memalign(&memory, HUGE_PAGE, size)) {
        madvise(memory, size, MADV_HUGEPAGE);
        return memory;
    }
#endif
    return malloc(size);
}

void *cs_pool_take(size_t size) {
    int class = class_of(&size);
    block *b = 0;
    if (class >= 0 && class < OCTAVES * STEPS && try_lock()) {
        if ((b = lists[class])) {
            lists[class] = b->next;
            kept -= b->size;
        }
        unlock();
    }
    if (!b) {
        char *raw = allocate(size + 2 * HEADER);
        if (!raw) return 0;
        b = (block *)(((uintptr_t)raw + HEADER - 1) / HEADER * HEADER);
        *b = (block){0, size, class, raw};
    }
    return (char *)b + HEADER;
}

size_t cs_block_size(const void *memory) { return ((const block *)((const char *)memory - HEADER))->size; }

void cs_pool_return(void *memory) {
    if (!memory) return;
    block *b = (block *)((char *)memory - HEADER);
    int keep = 0;
    if (b->class >= 0 && b->class < OCTAVES * STEPS && try_lock()) {
        if ((keep = kept + b->size <= MOST)) {
            b->next = lists[b->class];
            lists[b->class] = b;
            kept += b->size;
        }
        unlock();
    }
    if (!keep) free(b->raw);
}
