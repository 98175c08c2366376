// The reference table's dense ops: plain loops, double accumulators. Under Precision::kBf16 factors
// are rounded to bf16 first.
#pragma once
#include <cmath>
#include <vector>

#include "base/bf16.h"
#include "ops/ops.h"

namespace qpkv {
namespace reference {

void LoadFloats(Stream&, const LoadFloatsArgs& args);
void Embed(Stream&, const EmbedArgs& args);
size_t PackedWeightBytes(const WeightFormat& format, int n, int k);
void PackWeight(Stream&, const PackWeightArgs& args);
void Matmul(Stream&, const MatmulArgs& args);
void RmsNorm(Stream&, const RmsNormArgs& args);
void Rope(Stream&, const RopeArgs& args);
void Scale(Stream&, const ScaleArgs& args);
void Glu(Stream&, const GluArgs& args);
void Experts(Stream&, const ExpertsArgs& args);
void StoreHeads(Stream&, const StoreHeadsArgs& args);
void PrefillAttention(Stream&, const PrefillAttentionArgs& args);
void ScoreOperation(Stream&, const ScoreOperationArgs& args);
void ShareHeads(Stream&, const ShareHeadsArgs& args);
void Select(Stream&, const SelectArgs& args);
void NoteNan(Stream&, const NoteNanArgs& args);
void CountTokens(Stream&, const CountTokensArgs& args);
void Sample(Stream&, const SampleArgs& args);

// x as a matrix product sees it.
inline double Factor(float x, Precision precision) {
  return precision == Precision::kBf16 ? RoundToBf16(x) : x;
}

// A logit under a soft cap; 0: none.
inline double Capped(double x, double cap) { return cap > 0 ? cap * std::tanh(x / cap) : x; }

// softmax(logits), and its log-sum-exp in *lse. Empty in, empty out.
std::vector<double> Softmax(const std::vector<double>& logits, double* lse);

}  // namespace reference
}  // namespace qpkv
