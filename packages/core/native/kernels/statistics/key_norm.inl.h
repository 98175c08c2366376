// key-norm: the Euclidean norm of each key.
#pragma once
#include "kernels/row_norms.inl.h"
#include "ops/statistics/key_norm.h"

namespace qpkv {
namespace {
namespace key_norm {

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage == StatisticStage::kFinish) RowNorms(stream, args, args.k, 2);
}

constexpr Statistic kStatistic = {&statistics::key_norm::kAbout, nullptr, nullptr, Run};

}  // namespace key_norm
}  // namespace
}  // namespace qpkv
