// Eviction leaves holes: survivors that lie one by one in large parts would hold many times the
// memory of their number. Where a segment of a head holds a multiple of what its valid tokens need,
// they are packed together into new parts, so that eviction bounds bytes and not only tokens.
//
// Exact parts move without loss, from twice the need on. Coded ones are coded again from what they
// read as, which costs up to half a step once more, so they wait until four times the need.
#pragma once
#include <vector>

#include "engine/eviction_policy.h"
#include "engine/requantizer.h"

namespace qpkv {

// running: null without running scores.
void PackSurvivors(const LayerPlan& plan, std::vector<HeadTokens>* tokens, PartStore* store,
                   RunningState* running, Requantizer* requantizer);

}  // namespace qpkv
