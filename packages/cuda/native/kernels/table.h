// The ops of this backend; backend.cu lists them in the table. Conventions: core's ops/ops.h.
#pragma once
#include "ops/ops.h"
#include "runtime/stream.h"

namespace qpkv {
namespace cuda {

// A grid has at most 65,535 blocks along y: calls run(first, rows) for pieces of that many rows.
template <class Run>
void ForRows(int rows, const Run& run) {
  constexpr int kMost = 65535;
  for (int first = 0; first < rows; first += kMost)
    run(first, rows - first < kMost ? rows - first : kMost);
}

void LoadFloats(Stream&, const LoadFloatsArgs&);
void Embed(Stream&, const EmbedArgs&);
size_t PackedWeightBytes(const WeightFormat& format, int n, int k);
void PackWeight(Stream&, const PackWeightArgs&);
void Matmul(Stream&, const MatmulArgs&);
void RmsNorm(Stream&, const RmsNormArgs&);
void Rope(Stream&, const RopeArgs&);
void Scale(Stream&, const ScaleArgs&);
void Glu(Stream&, const GluArgs&);
void Experts(Stream&, const ExpertsArgs&);
void StoreHeads(Stream&, const StoreHeadsArgs&);
void PrefillAttention(Stream&, const PrefillAttentionArgs&);
void ScoreOperation(Stream&, const ScoreOperationArgs&);
void ShareHeads(Stream&, const ShareHeadsArgs&);
void Select(Stream&, const SelectArgs&);
void AppendTokens(Stream&, const AppendTokensArgs&);
void DecodeAttention(Stream&, const DecodeAttentionArgs&);
void EvictLowest(Stream&, const EvictLowestArgs&);
void MoveScores(Stream&, const MoveScoresArgs&);
void UploadPieces(Stream&, const UploadPiecesArgs&);
void MeanTokens(Stream&, const MeanTokensArgs&);
void Pack(Stream&, const PackArgs&);
void Unpack(Stream&, const UnpackArgs&);
void MarkTokens(Stream&, const MarkArgs&);
void CheckParts(Stream&, const CheckPartsArgs&);
void NoteNan(Stream&, const NoteNanArgs&);
void CountTokens(Stream&, const CountTokensArgs&);
void Sample(Stream&, const SampleArgs&);

}  // namespace cuda
}  // namespace qpkv
