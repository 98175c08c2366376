// All kernels and the op table made of them. Included last by each instruction set's file, after
// its vectors.
#pragma once
// The op table's types come before the kernels:
// clang-format off
#include "base/stream.h"
#include "ops/host_device.h"
#include "ops/host_sample.h"
#include "ops/ops.h"
#include "ops/statistic.h"
#include "kernels/append_tokens.inl.h"
#include "kernels/check_parts.inl.h"
#include "kernels/decode_attention.inl.h"
#include "kernels/embed.inl.h"
#include "kernels/evict_lowest.inl.h"
#include "kernels/glu.inl.h"
#include "kernels/mark_tokens.inl.h"
#include "kernels/mean_tokens.inl.h"
#include "kernels/matmul.inl.h"
#include "kernels/experts.inl.h"
#include "kernels/note_nan.inl.h"
#include "kernels/pack.inl.h"
#include "kernels/pack_weight.inl.h"
#include "kernels/prefill_attention.inl.h"
#include "kernels/rms_norm.inl.h"
#include "kernels/rope.inl.h"
#include "kernels/scale.inl.h"
#include "kernels/score_operation.inl.h"
#include "kernels/select.inl.h"
#include "kernels/share_heads.inl.h"
#include "kernels/store_heads.inl.h"
#include "kernels/unpack.inl.h"
// kernels/statistics/*.inl.h, one after the other; and below QPKV_STATISTICS: their names.
#include "statistics_of_kernels.h"
// clang-format on

namespace qpkv {
namespace {

constexpr Ops kOpsOfThisFile = {
    kIsaName,
    AllocateOnHost,
    ReleaseOnHost,
    UploadToHost,
    DownloadFromHost,
    CopyOnHost,
    ZeroOnHost,
    CheckOnHost,
    ReplayOnHost,
    LoadFloats,
    Embed,
    PackedWeightBytes,
    PackWeight,
    Matmul,
    RmsNorm,
    Rope,
    Scale,
    Glu,
    Experts,
    StoreHeads,
    PrefillAttention,
    ScoreOperation,
    ShareHeads,
    Select,
    AppendTokens,
    DecodeAttention,
    EvictLowest,
    MoveScoresOnHost,
    UploadPiecesToHost,
    MeanTokens,
    Pack,
    Unpack,
    MarkTokens,
    CheckParts,
    NoteNan,
    CountTokensOnHost,
    SampleOnHost,
};

constexpr Statistic kStatisticsOfThisFile[] = {
#define QPKV_STATISTIC(NAME) NAME::kStatistic,
    QPKV_STATISTICS
#undef QPKV_STATISTIC
};

}  // namespace
}  // namespace qpkv
