// The reference op table.
#include "ops/host_device.h"
#include "reference/dense_ops.h"
#include "reference/tile_ops.h"

namespace qpkv {
extern const Ops kReferenceOps;
const Ops kReferenceOps = {
    "reference",
    AllocateOnHost,
    ReleaseOnHost,
    UploadToHost,
    DownloadFromHost,
    CopyOnHost,
    ZeroOnHost,
    CheckOnHost,
    ReplayOnHost,
    reference::LoadFloats,
    reference::Embed,
    reference::PackedWeightBytes,
    reference::PackWeight,
    reference::Matmul,
    reference::RmsNorm,
    reference::Rope,
    reference::Scale,
    reference::Glu,
    reference::Experts,
    reference::StoreHeads,
    reference::PrefillAttention,
    reference::ScoreOperation,
    reference::ShareHeads,
    reference::Select,
    reference::AppendTokens,
    reference::DecodeAttention,
    reference::EvictLowest,
    MoveScoresOnHost,
    UploadPiecesToHost,
    reference::MeanTokens,
    reference::Pack,
    reference::Unpack,
    reference::MarkTokens,
    reference::CheckParts,
    reference::NoteNan,
    reference::CountTokens,
    reference::Sample,
};
}  // namespace qpkv
