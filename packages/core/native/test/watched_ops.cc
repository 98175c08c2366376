#include "test/watched_ops.h"

#include <cstring>

#include "base/check.h"
#include "engine/step.h"

namespace qpkv {
namespace {

const Ops* inner_ops = nullptr;
WatchedCounts watched;

void Note(bool forward) {
  ++watched.ops;
  if (!HoldsEngine()) ++watched.outside;
  if (forward && !InStep()) ++watched.forward_outside;
}

}  // namespace

const WatchedCounts& WatchedOps::counts() const { return watched; }

WatchedOps::WatchedOps(const Table& inner) : ops_(*inner.ops), table_(inner) {
  inner_ops = inner.ops;
  watched = {};
  ops_.Upload = [](Stream& stream, void* device, Host<const void> host, size_t bytes) {
    Note(false);
    ++watched.uploads;
    inner_ops->Upload(stream, device, host, bytes);
  };
  ops_.Download = [](Stream& stream, Host<void> host, const void* device, size_t bytes) {
    Note(false);
    ++watched.downloads;
    inner_ops->Download(stream, host, device, bytes);
  };
  ops_.Copy = [](Stream& stream, void* to, const void* from, size_t bytes) {
    Note(false);
    inner_ops->Copy(stream, to, from, bytes);
  };
  ops_.Zero = [](Stream& stream, void* device, size_t bytes) {
    Note(false);
    inner_ops->Zero(stream, device, bytes);
  };
  ops_.UploadPieces = [](Stream& stream, const UploadPiecesArgs& args) {
    Note(false);
    ++watched.uploads;
    inner_ops->UploadPieces(stream, args);
  };
  ops_.Matmul = [](Stream& stream, const MatmulArgs& args) {
    Note(true);
    ++watched.products;
    inner_ops->Matmul(stream, args);
  };
#define QPKV_WATCH(NAME, FORWARD)                    \
  ops_.NAME = [](Stream& stream, const auto& args) { \
    Note(FORWARD);                                   \
    inner_ops->NAME(stream, args);                   \
  };
  QPKV_WATCH(Embed, true)
  QPKV_WATCH(RmsNorm, true)
  QPKV_WATCH(Rope, true)
  QPKV_WATCH(Scale, true)
  QPKV_WATCH(Glu, true)
  QPKV_WATCH(Experts, true)
  QPKV_WATCH(StoreHeads, true)
  QPKV_WATCH(PrefillAttention, true)
  QPKV_WATCH(AppendTokens, true)
  QPKV_WATCH(DecodeAttention, true)
  QPKV_WATCH(EvictLowest, true)
  QPKV_WATCH(NoteNan, true)
  QPKV_WATCH(CountTokens, true)
  QPKV_WATCH(Sample, true)
  QPKV_WATCH(LoadFloats, false)
  QPKV_WATCH(PackWeight, false)
  QPKV_WATCH(ScoreOperation, false)
  QPKV_WATCH(ShareHeads, false)
  QPKV_WATCH(Select, false)
  QPKV_WATCH(MeanTokens, false)
  QPKV_WATCH(Pack, false)
  QPKV_WATCH(Unpack, false)
  QPKV_WATCH(MarkTokens, false)
  QPKV_WATCH(CheckParts, false)
  QPKV_WATCH(MoveScores, false)
#undef QPKV_WATCH
  // An op that is added to the table is watched, too: beside the name only memory, Check, Replay
  // and PackedWeightBytes are passed on as they are.
  constexpr size_t kFields = sizeof(Ops) / sizeof(void*), kPassedOn = 6;
  const void *mine[kFields], *theirs[kFields];
  std::memcpy(mine, &ops_, sizeof ops_);
  std::memcpy(theirs, inner.ops, sizeof ops_);
  size_t same = 0;
  for (size_t i = 0; i < kFields; ++i) same += mine[i] == theirs[i];
  QPKV_CHECK(same == kPassedOn);
  table_.ops = &ops_;
}

}  // namespace qpkv
