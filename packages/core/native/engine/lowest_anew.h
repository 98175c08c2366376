// Who leaves where a plan evicts by a score that is measured anew: the cache's keys (and values) as
// they read back stand for the prompt, its newest queries for the prompt's last ones.
#pragma once
#include <memory>
#include <vector>

#include "engine/head_tokens.h"
#include "engine/layer_shape.h"
#include "engine/newest_queries.h"
#include "engine/part_store.h"
#include "engine/plan.h"

namespace qpkv {

// How many queries a score looks at. Throws KV_UNSUPPORTED for one that cannot be measured in
// decode: it reads what a cache does not hold, or all queries.
int QueriesOf(const ScoreNode& score);

struct CachedTokens {
  const LayerShape& shape;
  const PartStore& store;
  const std::vector<HeadTokens>& tokens;  // [heads], equally many valid ones
  const NewestQueries& queries;
  float logit_scale;
};

// Slots that leave of every head, [heads]; none before `every` tokens more than the capacity are
// there. Of equal scores the newer leave.
std::vector<std::vector<int>> LowestAnew(const std::shared_ptr<Engine>& engine,
                                         const LayerPlan& plan, const CachedTokens& cached);

}  // namespace qpkv
