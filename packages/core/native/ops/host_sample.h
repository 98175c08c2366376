// Sample and CountTokens of every CPU table: sorting and double arithmetic gain nothing from wider
// vectors, and the tokens of a seed are the same on every table that computes the same logits.
#pragma once
#include "ops/ops.h"

namespace qpkv {

void SampleOnHost(Stream& stream, const SampleArgs& args);
void CountTokensOnHost(Stream&, const CountTokensArgs& args);

}  // namespace qpkv
