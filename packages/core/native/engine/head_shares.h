// How many places each head of a layer gets where they share them. On the host: it compares each
// score once, while observing them took a product with every query.
#pragma once
#include <vector>

#include "engine/plan.h"

namespace qpkv {

// scores: [heads, candidates], no NaN, and finite where they are weighed. `places` are a head's
// equal part. Returns [heads]. packages/reference/src/share-among-heads.ts is the reference and
// says what the rule is.
std::vector<int> ShareAmongHeads(const std::vector<float>& scores, int heads, int places,
                                 bool lowest, const HeadSharing& sharing);

}  // namespace qpkv
