// Lists of positions as few bits: Rice codes of what each one is beyond its predecessor.
// Consecutive ones take a bit each, scattered ones about their entropy.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/byte_stream.h"

namespace qpkv {

void WritePositions(const std::vector<int32_t>& positions, ByteWriter* out);
// Throws KV_DATA for what is cut, and for a position that is not in [0, end).
std::vector<int32_t> ReadPositions(ByteReader* in, int32_t end);

}  // namespace qpkv
