// Arguments of the ops that write and read tiles, and how attention sees them. Conventions: ops.h.
#pragma once
#include <cstdint>

#include "ops/tensor_format.h"
#include "ops/tile_layout.h"

namespace qpkv {

// Quantizes tokens of one head into one part. Exact formats may be written piecewise (first_slot),
// and so may packed formats with scales per token and no outliers, in ascending order (first_slot =
// 0 clears the part); other packed ones only whole.
struct PackItem {
  const float* source;   // [.., dim]: token j is row index[j], or row j without an index
  const int32_t* index;  // host [tokens] or null
  const int32_t*
      positions;  // host [tokens], written if the part has a positions section; else null
  int tokens, first_slot;
  int part_tokens;  // that the part was laid out for
  Tensor tensor;
  const TensorFormat* format;  // host
  PartNeeds needs;
  uint8_t* out;
};
struct PackArgs {
  const PackItem* items;  // host [count]
  int count, dim;
};

// Reads a part back: what the kernels see, in float32. The documented reader of tiles; used by
// checks and roundTrip.
struct UnpackArgs {
  const uint8_t* part;
  int tokens, part_tokens, dim;
  Tensor tensor;
  const TensorFormat* format;  // host
  PartNeeds needs;
  float* values;   // [tokens, dim]
  uint8_t* codes;  // [tokens, dim] or null (packed formats)
  float* scales;   // [scale_rows, scale columns] as stored without padding, or null
  float* offsets;  // same shape: minima, or zero points as floats, or null
};

// A part as decode attention sees it. Parts of one head follow in storage order; key and value
// parts may be cut differently.
struct Part {
  const uint8_t* data;
  const TensorFormat* format;  // host
  int32_t tokens;              // used; <= part_tokens
  int32_t part_tokens;         // laid out
  PartNeeds needs;
};
struct HeadView {
  const Part* keys;    // host [key_parts]
  const Part* values;  // host [value_parts]
  int32_t key_parts, value_parts;
  int32_t tokens;  // sum over either
};

}  // namespace qpkv
