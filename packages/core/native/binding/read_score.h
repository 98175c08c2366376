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

// A score of plans of version 1: their field `observe`, or null for 'nothing'. prefer_lowest is
// left to the selection.
std::shared_ptr<const ScoreNode> ReadObservation(const Napi::Object& observe,
                                                 const StatisticList& statistics,
                                                 const std::string& path);

// Whether running scores add later queries summed over the query heads: the outermost group says.
bool SumsQueryHeads(const ScoreNode& score);

}  // namespace qpkv
