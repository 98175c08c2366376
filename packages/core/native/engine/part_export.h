// Reading a head's parts back to the host, and overwriting their codes: for checks.
#pragma once
#include <vector>

#include "engine/head_tokens.h"
#include "engine/part_store.h"

namespace qpkv {

// Codes and scales of one part as stored, and the values that they stand for, on the host; see
// NativePartExport in packages/core/test/support/probe.ts.
struct PartExport {
  int bits = 16, tokens = 0;
  std::vector<float> values;
  std::vector<float> stored;  // the same before it is taken back; empty where it is the same
  std::vector<uint8_t> codes;
  std::vector<float> scales, offsets, balance;
  std::vector<int32_t> positions;  // of keys, where they are known; -1: evicted
};

std::vector<PartExport> ExportParts(Engine& engine, const PartStore& store, int head, Tensor tensor,
                                    const HeadTokens& tokens);

// Of all tokens of a head: [tokens, headDim] in storage order, as they read.
std::vector<float> ReadValues(Engine& engine, const PartStore& store, int head, Tensor tensor);

// Packed parts take noise instead of what they held.
void ScrambleParts(Engine& engine, uint64_t seed, const std::vector<HeadTokens>& tokens,
                   PartStore* store);

}  // namespace qpkv
