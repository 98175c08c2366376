// Written by tools/generate-statistics.ts from packages/spec/src/plan/score-operations.ts.
#pragma once
#include "ops/option_row.h"

namespace qpkv {

enum class ScoreOp : uint8_t {
  kGroup,
  kAdd,
  kMultiply,
  kPower,
  kScale,
  kZScore,
  kSoftmax,
  kRankInBlocks,
  kPool,
  kBlockPool,
  kEntropyGate,
  kConstant
};

namespace score_ops::group {
enum Slot { kBy, kOver };
enum class By { kMean, kMax, kSum };
enum class Over { kHeads, kLayer };
constexpr const char* kByNames[] = {"mean", "max", "sum"};
constexpr const char* kOverNames[] = {"heads", "layer"};
constexpr OptionDescriptor kOptions[] = {{"by", OptionKind::kChoice, kByNames, 3, 0},
                                         {"over", OptionKind::kChoice, kOverNames, 2, 0}};
}  // namespace score_ops::group
namespace score_ops::power {
enum Slot { kExponent };
constexpr OptionDescriptor kOptions[] = {{"exponent", OptionKind::kNumber, nullptr, 0, 2}};
}  // namespace score_ops::power
namespace score_ops::scale {
enum Slot { kFactor, kOffset };
constexpr OptionDescriptor kOptions[] = {{"factor", OptionKind::kNumber, nullptr, 0, 1},
                                         {"offset", OptionKind::kNumber, nullptr, 0, 0}};
}  // namespace score_ops::scale
namespace score_ops::z_score {
enum Slot { kOver, kSkipFirst };
enum class Over { kHead, kLayer };
constexpr const char* kOverNames[] = {"head", "layer"};
constexpr OptionDescriptor kOptions[] = {{"over", OptionKind::kChoice, kOverNames, 2, 0},
                                         {"skipFirst", OptionKind::kNumber, nullptr, 0, 0}};
}  // namespace score_ops::z_score
namespace score_ops::softmax {
enum Slot { kSkipFirst };
constexpr OptionDescriptor kOptions[] = {{"skipFirst", OptionKind::kNumber, nullptr, 0, 0}};
}  // namespace score_ops::softmax
namespace score_ops::rank_in_blocks {
enum Slot { kBlock, kSkipFirst };
constexpr OptionDescriptor kOptions[] = {{"block", OptionKind::kNumber, nullptr, 0, 128},
                                         {"skipFirst", OptionKind::kNumber, nullptr, 0, 0}};
}  // namespace score_ops::rank_in_blocks
namespace score_ops::pool {
enum Slot { kPool, kKernel, kPadding, kSkipFirst };
enum class Pool { kMax, kMean };
enum class Padding { kZerosCount, kValid };
constexpr const char* kPoolNames[] = {"max", "mean"};
constexpr const char* kPaddingNames[] = {"zeros-count", "valid"};
constexpr OptionDescriptor kOptions[] = {{"pool", OptionKind::kChoice, kPoolNames, 2, 0},
                                         {"kernel", OptionKind::kNumber, nullptr, 0, 7},
                                         {"padding", OptionKind::kChoice, kPaddingNames, 2, 0},
                                         {"skipFirst", OptionKind::kNumber, nullptr, 0, 0}};
}  // namespace score_ops::pool
namespace score_ops::block_pool {
enum Slot { kPool, kBlock, kSkipFirst };
enum class Pool { kMax, kMean };
constexpr const char* kPoolNames[] = {"max", "mean"};
constexpr OptionDescriptor kOptions[] = {{"pool", OptionKind::kChoice, kPoolNames, 2, 1},
                                         {"block", OptionKind::kNumber, nullptr, 0, 128},
                                         {"skipFirst", OptionKind::kNumber, nullptr, 0, 0}};
}  // namespace score_ops::block_pool
namespace score_ops::entropy_gate {
enum Slot { kBlock, kRescue, kSkipFirst };
constexpr OptionDescriptor kOptions[] = {{"block", OptionKind::kNumber, nullptr, 0, 10},
                                         {"rescue", OptionKind::kNumber, nullptr, 0, 4},
                                         {"skipFirst", OptionKind::kNumber, nullptr, 0, 0}};
}  // namespace score_ops::entropy_gate
namespace score_ops::constant {
enum Slot { kFirst, kLast, kValue };
constexpr OptionDescriptor kOptions[] = {
    {"first", OptionKind::kNumber, nullptr, 0, 0},
    {"last", OptionKind::kNumber, nullptr, 0, 0},
    {"value", OptionKind::kNumberOrAbove, nullptr, 0, __builtin_nan("")}};
}  // namespace score_ops::constant

struct OperationDescriptor {
  const char* name;
  int fewest, most;  // nodes
  const OptionDescriptor* options;
  int option_count;
};
// By ScoreOp.
constexpr OperationDescriptor kScoreOperations[] = {
    {"group", 1, 1, score_ops::group::kOptions, 2},
    {"add", 2, 8, nullptr, 0},
    {"multiply", 2, 8, nullptr, 0},
    {"power", 1, 1, score_ops::power::kOptions, 1},
    {"scale", 1, 1, score_ops::scale::kOptions, 2},
    {"z-score", 1, 1, score_ops::z_score::kOptions, 2},
    {"softmax", 1, 1, score_ops::softmax::kOptions, 1},
    {"rank-in-blocks", 1, 1, score_ops::rank_in_blocks::kOptions, 2},
    {"pool", 1, 1, score_ops::pool::kOptions, 4},
    {"block-pool", 1, 1, score_ops::block_pool::kOptions, 3},
    {"entropy-gate", 1, 1, score_ops::entropy_gate::kOptions, 3},
    {"constant", 1, 1, score_ops::constant::kOptions, 3}};

}  // namespace qpkv
