/* Calls in pieces. */
#include "pieces.h"

typedef struct {
    cs_work *part;
    void *job;
    int pieces, turned;
    uint64_t taken; /* a bit a piece */
} piece_call;

/* From a thread's home on, around. */
static void take_pieces(void *pieces_of, int me, int most) {
    piece_call *c = pieces_of;
    int n = c->pieces, home = (int)((int64_t)(me % most) * n / most);
    for (int i = 0; i < n; i++) {
        int piece = home + i < n ? home + i : home + i - n;
        if (c->turned) piece = n - 1 - piece;
        uint64_t bit = 1ull << piece;
        if (__atomic_load_n(&c->taken, __ATOMIC_RELAXED) & bit) continue;
        if (__atomic_fetch_or(&c->taken, bit, __ATOMIC_RELAXED) & bit) continue;
        c->part(c->job, piece, n);
        if (cs_must_leave()) return;
    }
}

void cs_pieces(int threads, int64_t alone, int pieces, int turned, cs_work *part, void *job) {
    piece_call c = {part, job, pieces < CS_PIECES ? pieces : CS_PIECES, turned, 0};
    cs_call(threads < c.pieces ? threads : c.pieces, alone, take_pieces, &c);
}
