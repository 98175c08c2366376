// The reference op table.
#include "base/memory.h"
#include "reference/dense_ops.h"
#include "reference/tile_ops.h"

namespace qpkv {
extern const Ops kReferenceOps;
const Ops kReferenceOps = {
    "reference",
    AllocateAligned,
    ReleaseAligned,
    UploadBytes,
    DownloadBytes,
    CopyBytes,
    ZeroBytes,
    reference::Embed,
    reference::PackedWeightBytes,
    reference::PackWeight,
    reference::Matmul,
    reference::RmsNorm,
    reference::Rope,
    reference::Swiglu,
    reference::StoreHeads,
    reference::PrefillAttention,
    reference::ObserveAttention,
    reference::ObserveKeys,
    reference::GroupScores,
    reference::SmoothScores,
    reference::Select,
    reference::Pack,
    reference::Unpack,
    reference::DecodeAttention,
    reference::Argmax,
};
}  // namespace qpkv
