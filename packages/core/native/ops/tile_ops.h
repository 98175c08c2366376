// Arguments of the ops that write, read, mark and check single parts. They stand behind the layer
// loop: their items come from the host. Conventions: ops.h.
#pragma once
#include <cstdint>

#include "ops/memory_space.h"
#include "ops/tensor_format.h"
#include "ops/tile_layout.h"

namespace qpkv {

// What a part is: enough to find everything in it.
struct PartShape {
  Tensor tensor;
  Host<const TensorFormat> format;
  PartNeeds needs;
  int part_tokens;  // that it was laid out for
};

// Quantizes tokens of one head into one part. Exact formats may be written piecewise (first_slot),
// and so may packed formats that TakesTokensSingly(), in ascending order (first_slot = 0 clears the
// part); other packed ones only whole.
static constexpr bool TakesTokensSingly(const TensorFormat& format) {
  return format.bits == 16 || (format.scale_per == ScalePer::kToken &&
                               format.outlier_fraction == 0 && format.balance_steps == 0);
}
struct PackItem {
  PartShape shape;
  uint8_t* out;
  const float* source;            // [.., dim]: token j is row index[j], or row j without an index
  Host<const int32_t> index;      // [tokens] or null
  Host<const int32_t> positions;  // [tokens], written if the part has a positions section; or null
  Host<const uint8_t> valid;      // [tokens] 1, or 0 for evicted ones; null: all are valid
  int tokens, first_slot;
  Transform transform;  // of `source`, its means those of this head [1, dim]; {}: none
};
struct PackArgs {
  Host<const PackItem> items;  // [count]
  int count, dim;
};

// Means of a head's tokens per channel, sums in double.
struct MeanItem {
  const float* source;        // [.., dim]
  Host<const int32_t> index;  // [tokens] rows of `source`
  int tokens;
  float* mean;  // [dim]; 0 where there are no tokens
};
struct MeanTokensArgs {
  Host<const MeanItem> items;  // [count]
  int count, dim;
};

// Reads a part back: what the kernels see, in float32. The documented reader of tiles.
struct UnpackItem {
  PartShape shape;
  const uint8_t* part;
  int tokens;
  float* values;   // [tokens, dim]
  uint8_t* codes;  // [tokens, dim] or null (packed formats)
  float* scales;   // [scale_rows, scale columns] as stored without padding, or null
  float* offsets;  // same shape: minima, or zero points as floats, or null
  float* balance;  // [tokens] (scales per channel) or [dim] (per token) of formats that balance,
                   // or null
  int32_t* positions;  // [tokens] of parts that have them, or null
};
struct UnpackArgs {
  Host<const UnpackItem> items;  // [count]
  int count, dim;
};

// Writes what a key part says about tokens, their keys aside: positions, and which are valid.
struct MarkItem {
  PartShape shape;
  uint8_t* part;
  Host<const int32_t> positions;  // [tokens] or null: they stay
  Host<const uint8_t> valid;      // [tokens] or null: they stay
  int tokens, first_slot;
};
struct MarkArgs {
  Host<const MarkItem> items;  // [count]
  int count, dim;
};

// Whether a part that comes from outside may be read: every value is finite, integer zero points
// are codes, outliers name tokens and channels that exist in ascending order, valid bits belong to
// its tokens and positions are at least 0.
struct CheckItem {
  PartShape shape;
  const uint8_t* part;
  int tokens;
};
struct CheckPartsArgs {
  Host<const CheckItem> items;  // [count]
  int count, dim;
  Host<int32_t> first_bad;  // index of the first item that may not be read, or -1
};

// Many small pieces of host memory to their places at once: piece i takes bytes[offset of i ...).
struct UploadPiece {
  void* to;
  uint32_t offset, bytes;  // in `source`; multiples of 4
};
struct UploadPiecesArgs {
  Host<const UploadPiece> pieces;  // [count]
  int count;
  Host<const uint8_t> source;  // [source_bytes]
  size_t source_bytes;
};

}  // namespace qpkv
