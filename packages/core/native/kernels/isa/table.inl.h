// All kernels and the op table made of them. Included last by each instruction set's file, after
// its vectors.
#pragma once
// The op table's types come before the kernels:
// clang-format off
#include "base/stream.h"
#include "ops/host_device.h"
#include "ops/host_sample.h"
#include "ops/ops.h"
#include "kernels/append_tokens.inl.h"
#include "kernels/check_parts.inl.h"
#include "kernels/decode_attention.inl.h"
#include "kernels/embed.inl.h"
#include "kernels/evict_lowest.inl.h"
#include "kernels/glu.inl.h"
#include "kernels/group_scores.inl.h"
#include "kernels/mark_tokens.inl.h"
#include "kernels/matmul.inl.h"
#include "kernels/experts.inl.h"
#include "kernels/note_nan.inl.h"
#include "kernels/observe_attention.inl.h"
#include "kernels/observe_keys.inl.h"
#include "kernels/pack.inl.h"
#include "kernels/pack_weight.inl.h"
#include "kernels/prefill_attention.inl.h"
#include "kernels/rms_norm.inl.h"
#include "kernels/rope.inl.h"
#include "kernels/scale.inl.h"
#include "kernels/select.inl.h"
#include "kernels/smooth_scores.inl.h"
#include "kernels/store_heads.inl.h"
#include "kernels/unpack.inl.h"
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
    ObserveAttention,
    ObserveKeys,
    GroupScores,
    SmoothScores,
    Select,
    AppendTokens,
    DecodeAttention,
    EvictLowest,
    UploadPiecesToHost,
    Pack,
    Unpack,
    MarkTokens,
    CheckParts,
    NoteNan,
    CountTokensOnHost,
    SampleOnHost,
};

}  // namespace
}  // namespace qpkv
