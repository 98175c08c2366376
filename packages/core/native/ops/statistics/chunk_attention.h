// Written by tools/generate-statistics.ts from
// packages/spec/src/plan/statistics/chunk-attention.ts.
#pragma once
#include "ops/statistic.h"

namespace qpkv {
// Attention probability that a key receives from all queries of its chunk; 0 for tokens left out.
namespace statistics::chunk_attention {

enum Slot { kChunk, kMask, kLogits, kPadding, kFirst, kLast };
enum class Mask { kNone, kCausal };
enum class Logits { kScaled, kRaw };
enum class Padding { kNone, kZeros };
constexpr const char* kMaskNames[] = {"none", "causal"};
constexpr const char* kLogitsNames[] = {"scaled", "raw"};
constexpr const char* kPaddingNames[] = {"none", "zeros"};
constexpr OptionDescriptor kOptions[] = {{"chunk", OptionKind::kNumber, nullptr, 0, 256},
                                         {"mask", OptionKind::kChoice, kMaskNames, 2, 0},
                                         {"logits", OptionKind::kChoice, kLogitsNames, 2, 0},
                                         {"padding", OptionKind::kChoice, kPaddingNames, 2, 0},
                                         {"first", OptionKind::kNumber, nullptr, 0, 8},
                                         {"last", OptionKind::kNumber, nullptr, 0, 4}};
constexpr StatisticDescriptor kAbout = {
    "chunk-attention", 1, Rows::kQuery, kReadQueries | kReadKeys, kOptions, 6, 0.00002};

}  // namespace statistics::chunk_attention
}  // namespace qpkv
