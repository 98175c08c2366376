// The reference table's ops on parts and caches.
#pragma once
#include "ops/ops.h"

namespace qpkv {
namespace reference {

void MeanTokens(Stream&, const MeanTokensArgs& args);
void Pack(Stream&, const PackArgs& args);
void Unpack(Stream&, const UnpackArgs& args);
void MarkTokens(Stream&, const MarkArgs& args);
void CheckParts(Stream&, const CheckPartsArgs& args);
void AppendTokens(Stream&, const AppendTokensArgs& args);
void DecodeAttention(Stream&, const DecodeAttentionArgs& args);
void EvictLowest(Stream&, const EvictLowestArgs& args);

}  // namespace reference
}  // namespace qpkv
