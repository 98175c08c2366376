// The packed form of a head's tokens: tiles.
//
// A head's tokens of one segment lie, in storage order, in tiles of up to 128 tokens. A tile has a
// key part and a value part; usually they lie behind one another, but no kernel depends on it: a
// part is read through its own pointer. Every section of a part starts and ends on a 64-byte
// boundary, so a part is a whole number of cache lines and of zmm registers.
//
// Vectors. Tokens are taken in blocks of 16; a block's slots beyond the last token hold zeros and
// are masked by the token count. A vector is 16 lanes x 2 values, the operand of one bf16 (or
// int16) pair dot instruction:
//
//            vector i of a block, i in       lane                       pair
//   keys     [0, headDim / 2)                token of the block         channels 2i and 2i + 1
//   values   [0, 8 * ceil(headDim / 16))     channel of block c,        tokens 2t and 2t + 1 of
//                                            16c .. 16c + 15            the block
//
// with t = i / channelBlocks and c = i % channelBlocks.
//
// Exact formats (bits = 16). Vectors behind one another:
//
//   bf16, f16   [block][vector][lane][pair], 64 bytes a vector
//   f32         [block][vector][pair][lane]: the pair is split into two runs of 16 lanes
//
// Codes. A register is 32 words of 16 bits, word w = lane * 2 + pair. It holds P = 16 / bits
// vectors as bit planes: vector i of the block lies in register i / P, in bits [bits * (i % P),
// bits * (i % P) + bits) of each word, so that a shift and a mask give a whole vector without
// shuffles. 3 bits are stored as a 2-bit register set followed by a 1-bit register set (code = low
// + 4 * high), so they cost 3 bits. Sections of a packed part, in order:
//
//   codes      [block][register][32 words]
//   scales     per channel: [token group][channel, padded to 16]
//              per token:   [channel group][slot]
//              of type `metadata`
//   offsets    minima in the same shape and type, or zero points in the same shape, one byte each;
//              nothing where zeros stand in the scales, or there are none
//   balance    if the format balances: the other factor of a value, of type `metadata`; scales per
//              channel: one per slot, per token: one per channel, padded to 16
//   outliers   if the format has them: uint32 count (at most `capacity`), then room for `capacity`
//              entries {uint8 token, uint8 channel, value in `metadata`}; f32 values have two bytes
//              of padding before them. The value replaces what the code says.
//
// and at the end of key parts of plans that need them:
//
//   positions  [slot] int32, position in the text
//   mask       128 valid bits in 16 bytes, padded to 64
//
// packages/spec/src/plan/tile-bytes.ts computes the same sizes; a test holds the two together.
//
// What the codes are (packages/reference/src/quantize.ts says the same in TypeScript). All
// arithmetic is float32, one rounding an operation; top = 2^bits - 1; round() is half to even;
// meta() rounds to `metadata` (beyond float16: its largest finite value). A group is what shares a
// scale: up to `group` tokens of a channel or channels of a token; low and high are its least and
// greatest value.
//
//   float minimum  scale = meta((high - low) / top), minimum = meta(low)
//                  code  = clamp(round((x - minimum) / scale), 0, top)
//                  value = code * scale + minimum
//   integer zero   low and high widened to hold 0; scale as above
//                  z     = clamp(round(-low / scale), 0, top)
//                  code  = clamp(round(x / scale) + z, 0, top)
//                  value = (code - z) * scale
//   codebook       scale = meta((high - low) / 2), centre = meta((high + low) / 2)
//                  code  = nearest level to (x - centre) / scale, ties to the lower
//                  value = level[code] * scale + centre; levels are float32
//   zero in scale  of 1 to 4 bits, metadata f32; half away from zero in place of round():
//                  s = (high - low) / top, z = clamp(away(-low / s), 0, top)
//                  code  = clamp(away(x * (1 / s) + z), 0, top)
//                  scale = s with z in place of its low four bits; they read as 0 in
//                  value = (code - z) * scale
//   norm           n = sqrt of the sum of the group's squares; s = n * spread
//                  code  = nearest level to x / s, ties to the lower
//                  scale = meta(s), or to keep the norm meta(n / norm of the group's levels)
//                  value = level[code] * scale
//   scale = 0      code 0; value = minimum (integer zero: z = 0, value = 0)
//   least          of a group whose range is smaller, high - low counts as `least`
//   balance        first of all, over the part: x is divided by its token's (scales per channel) or
//                  channel's (per token) balance, meta(the second factor of reference/balance.h);
//                  the value is multiplied by it
//   proximal       scale = meta(1 / min(top / (high - low), 2e4)); kProximalConstant: meta(1) where
//                  high - low <= 1e-4; scale = 0 for a constant group. The float zero, started at
//                  -low / scale, is refined by at most 20 steps over all groups of the part at once
//                  (reference/proximal.h), then minimum = meta(-zero * scale), or
//                  z = clamp(round(zero), 0, top); codes as above.
//
// Which values are outliers; they are stored in ascending order of token, then channel:
//
//   kDeviation     the `capacity` values of the part with the largest |x - mean| / mean |x - mean|
//                  of their group (means in double), ties to the earlier token, then the lower
//                  channel. They take no part in low and high (a group of nothing but outliers
//                  takes them all); their codes are coded like any other.
//   kBeyond        values with |x| > threshold, the largest |x| first up to the capacity, ties as
//                  above. From here on each counts, and is coded, as 0. Values that are beyond but
//                  find no room are coded like any other.
//
// Padding, here and in every section, is zero: packing from slot 0 clears the whole part first.
#pragma once
#include <cmath>
#include <cstddef>

#include "ops/device_code.h"
#include "ops/tensor_format.h"

namespace qpkv {

constexpr int kTileTokens = 128;
constexpr int kLanes = 16;
constexpr size_t kRegisterBytes = 64;
// Bounds of the factors of a balance: e^-0.3 and e^10.
constexpr float kLeastBalance = 0.740818221f, kMostBalance = 22026.4658f;

static constexpr size_t DivideUp(size_t a, size_t b) { return (a + b - 1) / b; }
static constexpr size_t AlignUp(size_t a, size_t b) { return DivideUp(a, b) * b; }
// Tokens in whole blocks.
static constexpr int WholeBlocks(int tokens) { return (tokens + kLanes - 1) / kLanes * kLanes; }

// Sections that only some plans need; they lie at the end of the key part.
struct PartNeeds {
  bool positions = false;
  bool mask = false;
};

// Where the sections of a part lie, in bytes from its start.
struct PartLayout {
  int blocks = 0;          // blocks of 16 slots
  int vectors = 0;         // vectors per block
  size_t block_bytes = 0;  // codes or exact values of one block
  size_t high_offset = 0;  // 3 bits only: from a block's start to its 1-bit registers
  size_t scales = 0, offsets = 0, balance = 0, outliers = 0, positions = 0, mask = 0;
  int scale_rows = 0;    // token groups or channel groups
  int scale_stride = 0;  // values per row
  int outlier_capacity = 0;
  size_t bytes = 0;  // of the whole part
};

QPKV_DEVICE_CODE static inline PartLayout LayoutOf(Tensor tensor, const TensorFormat& format,
                                                   int tokens, int head_dim, PartNeeds needs = {}) {
  PartLayout at;
  at.blocks = static_cast<int>(DivideUp(tokens, kLanes));
  const size_t lanes_dim = AlignUp(head_dim, kLanes);
  const size_t slots = static_cast<size_t>(at.blocks) * kLanes;
  at.vectors =
      tensor == Tensor::kKey ? head_dim / 2 : static_cast<int>(lanes_dim / kLanes) * (kLanes / 2);
  size_t end = 0;
  if (format.bits == 16) {
    at.block_bytes = static_cast<size_t>(at.vectors) * 2 * kLanes * ElementBytes(format.element);
    end = AlignUp(at.blocks * at.block_bytes, kRegisterBytes);
  } else {
    const auto registers = [&](int bits) { return DivideUp(at.vectors, 16 / bits); };
    at.block_bytes =
        (format.bits == 3 ? registers(2) + registers(1) : registers(format.bits)) * kRegisterBytes;
    at.high_offset = format.bits == 3 ? registers(2) * kRegisterBytes : 0;
    const bool per_channel = format.scale_per == ScalePer::kChannel;
    at.scale_rows = static_cast<int>(DivideUp(per_channel ? tokens : head_dim, format.group));
    at.scale_stride = static_cast<int>(per_channel ? lanes_dim : slots);
    const size_t scales = static_cast<size_t>(at.scale_rows) * at.scale_stride;
    at.scales = at.blocks * at.block_bytes;
    at.offsets = at.scales + AlignUp(scales * ElementBytes(format.metadata), kRegisterBytes);
    const size_t offset_bytes = format.zero == ZeroPoint::kFloatMinimum
                                    ? ElementBytes(format.metadata)
                                : format.zero == ZeroPoint::kInteger ? 1
                                                                     : 0;
    at.balance = at.offsets + AlignUp(scales * offset_bytes, kRegisterBytes);
    end = at.balance;
    if (format.balance_steps > 0)
      end += AlignUp((per_channel ? slots : lanes_dim) * ElementBytes(format.metadata),
                     kRegisterBytes);
    at.outliers = end;
    // The fraction is a double in the plan; the capacity is computed in double on both sides.
    at.outlier_capacity = static_cast<int>(std::ceil(format.outlier_fraction * tokens * head_dim));
    if (at.outlier_capacity > 0)
      end += AlignUp(
          4 + static_cast<size_t>(at.outlier_capacity) * (format.metadata == Element::kF32 ? 8 : 4),
          kRegisterBytes);
  }
  at.positions = end;
  if (tensor == Tensor::kKey && needs.positions) end += AlignUp(slots * 4, kRegisterBytes);
  at.mask = end;
  if (tensor == Tensor::kKey && needs.mask) end += kRegisterBytes;
  at.bytes = end;
  return at;
}

}  // namespace qpkv
