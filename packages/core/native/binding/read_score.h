// Scores from JavaScript, by the descriptors of statistics and operations.
#pragma once
#include <napi.h>

#include <memory>
#include <string>

#include "engine/score_node.h"

namespace qpkv {

// Throws KV_UNSUPPORTED for a statistic that the backend lacks, an unknown operation or option.
std::shared_ptr<const ScoreNode> ReadScore(const Napi::Value& from, const StatisticList& statistics,
                                           const std::string& path);

}  // namespace qpkv
