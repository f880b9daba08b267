/* memory.h for builds with a sanitizer: blocks end where they were asked to, and none is kept, so that a read or a write
   beside one, or of one that was given back, shows. */
#define _POSIX_C_SOURCE 200809L
#include "memory.h"
#include <malloc.h>
#include <stdlib.h>

void *cs_pool_take(size_t size) {
    void *memory = 0;
    return posix_memalign(&memory, 64, size) ? 0 : memory;
}

size_t cs_block_size(const void *memory) { return malloc_usable_size((void *)memory); }

void cs_pool_return(void *memory) { free(memory); }
