// value-norm: the norm of each value.
#pragma once
#include "kernels/row_norms.inl.h"
#include "ops/statistics/value_norm.h"

namespace qpkv {
namespace {
namespace value_norm {

void Run(Stream& stream, const StatisticArgs& args) {
  if (args.stage == StatisticStage::kFinish)
    RowNorms(stream, args, args.v,
             static_cast<int>(args.options.get()[statistics::value_norm::kNorm]));
}

constexpr Statistic kStatistic = {&statistics::value_norm::kAbout, nullptr, nullptr, Run};

}  // namespace value_norm
}  // namespace
}  // namespace qpkv
