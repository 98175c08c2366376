// MarkTokens: positions and valid bits of tokens that are stored already. One unit per item.
#pragma once
#include "base/stream.h"
#include "kernels/tile_write.inl.h"

namespace qpkv {
namespace {

static void MarkTokens(Stream& stream, const MarkArgs& a) {
  stream.ParallelFor(a.count, [&](int i, int) {
    const MarkItem& item = a.items.get()[i];
    const TileView v = ViewOf(item.shape, item.part, 0, a.dim);
    for (int t = 0; t < item.tokens; ++t) {
      const int slot = item.first_slot + t;
      if (item.positions) StorePosition(v, item.part, slot, item.positions.get()[t]);
      if (item.valid) StoreValid(v, item.part, slot, item.valid.get()[t] != 0);
    }
  });
}

}  // namespace
}  // namespace qpkv
