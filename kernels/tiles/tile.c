/* One level, one dtype: compiled with the level's flags, TABLE naming the table, CS_DOUBLE for float64. */
#include "gemm.h"
#include "gru.h"
#include "lanes.h"
#include "lone.h"
#include "lstm.h"
#include "norm.h"
#include "panels.h"
#include "probe.h"
#include "rnn.h"
#include "stages.h"
#include "updates.h"

static void activate_array(int code, long n, const void *in, void *out) {
    for (long i = 0; i < n; i += VL) {
        long m = n - i < VL ? n - i : VL;
        put((real *)out + i, activate_any(code, get((const real *)in + i, m)), m);
    }
}

static const cs_cell cells[] = {
    {"rnn", {rnn_forward}, {rnn_backward}},
    {"lstm", {lstm_forward}, {lstm_backward}},
    {"gru_reset_after", {gru_after_forward}, {gru_after_backward}},
    {"gru", {gru_before_gates, gru_before_states}, {gru_before_dgates, gru_before_dstates}},
    {0},
};

const cs_tiles TABLE = {
    .VL = VL,
    .PANEL = PANEL,
    .gemm = gemm,
    .lone_phase = lone_phase,
    .gemm_tn = gemm_tn,
    .gemm_tn_work = gemm_tn_work,
    .column_sums = column_sums,
    .pack = pack,
    .pack_transposed = pack_transposed,
    .unpack_add = unpack_add,
    .add_rows = add_rows,
    .multiply_rows = multiply_rows,
    .cells = cells,
    .sgd = sgd,
    .sgd_momentum = sgd_momentum,
    .adam = adam,
    .rmsprop = rmsprop,
    .activate = activate_array,
    .softmax = softmax,
    .mark_rows = mark_rows,
    .normalize = normalize,
    .normalize_back = normalize_back,
    .normalize_sums = normalize_sums,
    .probe_fma = probe_fma,
    .probe_read = probe_read,
    .lane_gemm = lane_gemm,
    .lane_gemm_tn = lane_gemm_tn,
    .lane_take = lane_take,
    .lane_softmax = lane_softmax,
    .keep_lanes = keep_lanes,
};
