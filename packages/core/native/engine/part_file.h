// A PartStore as bytes, and back. Little endian, as in memory:
//
//   magic, layout version, shape, formats     what reader and writer must agree on
//   means of keys that are stored less of them
//   per head and tensor: the list of parts    tokens, slots, segment, CRC-32C of the bytes
//   CRC-32C of all this
//   the parts' bytes, each from a multiple of 64 on, in the order of the lists
//
// Reading trusts nothing before it is checked: sizes against the layout and what is there, then the
// sums, then on the device what is in the parts (CheckParts). The same bytes come from and go to
// every backend.
#pragma once
#include <cstdint>
#include <vector>

#include "engine/byte_stream.h"
#include "engine/part_store.h"

namespace qpkv {

void WriteParts(Engine& engine, const PartStore& store, ByteWriter* out);
// Fills an empty store, made for the plan that the bytes were stored with. Throws KV_DATA for bytes
// that are damaged, cut, or of another plan or layout; the store is of no use then.
void ReadParts(Engine& engine, ByteReader* in, PartStore* store);

}  // namespace qpkv
