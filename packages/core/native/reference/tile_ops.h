// The reference table's ops on packed parts.
#pragma once
#include "ops/ops.h"

namespace qpkv {
namespace reference {

void Pack(Stream&, const PackArgs& args);
void Unpack(Stream&, const UnpackArgs& args);
void DecodeAttention(Stream&, const DecodeAttentionArgs& args);

}  // namespace reference
}  // namespace qpkv
