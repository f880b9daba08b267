/* Memory for one call or one tape, kept for the next. */
#ifndef CELLSTEP_MEMORY_H
#define CELLSTEP_MEMORY_H
#include <stddef.h>

/* At least `size` bytes at a multiple of 64, holding anything; NULL where there is no memory. From any thread. */
void *cs_pool_take(size_t size);
void cs_pool_return(void *memory);
/* How many bytes there are. */
size_t cs_block_size(const void *memory);

#endif
