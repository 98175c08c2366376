// Keys and values of the usual formats through tensor cores: codes become fragments without being
// unpacked, for a word of a part holds what a register of fragment A does (core's
// ops/tile_layout.h).
//
// Scales go to the other factor where they belong to the summed index (channels of keys, tokens of
// values): q_c s_c and p_t s_t, each as two bf16 parts, so that no more is rounded than a sum in
// float32 would. Else they are applied to the sums of their group. What is added to a code, a
// minimum or a zero point, takes a product with ones.
#pragma once
#include "device/mma.h"
#include "device/warp.h"
#include "kernels/staged_part.h"

namespace qpkv {
namespace cuda {

constexpr int kTensorRows = 8;  // columns of a product: query rows
constexpr int kQueryGap = 8;    // floats between staged rows: lanes of a load in other banks
constexpr int kTensorSums = 4;  // channel blocks of a warp, up to 256 channels
constexpr uint32_t kOnes = 0x3f803f80u;

QPKV_DEVICE bool GoesThroughTensorCores(const TensorFormat& format, int dim) {
  if (dim % kLanes != 0 || format.rope_before) return false;
  if (format.bits == 16) return format.element == Element::kBf16;
  return format.bits <= 4 && format.group % kLanes == 0 && format.levels == nullptr &&
         format.balance_steps == 0 && format.outlier_fraction == 0;
}

// What lanes 4g .. 4g + 3 hold of a row of fragment B, as two bf16 parts.
struct Parts {
  FragmentB high, low;
};
QPKV_DEVICE Parts PartsOf(const float* x) {
  Parts parts;
  for (int i = 0; i < 2; ++i) {
    const uint32_t high = PackBf16(x[2 * i], x[2 * i + 1]);
    parts.high.r[i] = high;
    parts.low.r[i] = PackBf16(x[2 * i] - HalfOf(high, 0), x[2 * i + 1] - HalfOf(high, 1));
  }
  return parts;
}
QPKV_DEVICE void MultiplyParts(FragmentC& c, const FragmentA& a, const Parts& b) {
  Multiply(c, a, b.high);
  Multiply(c, a, b.low);
}

// Two values of a vector's lane as bf16: exact ones, or codes, which bf16 holds exactly.
template <int kBits>
QPKV_DEVICE uint32_t PairOf(const uint32_t* block, size_t high_offset, int vector, int lane) {
  if (kBits == 16) return block[vector * kLanes + lane];
  constexpr int kLowBits = kBits == 3 ? 2 : kBits, kPlanes = 16 / kLowBits;
  constexpr uint32_t kMask = (1u << kLowBits) - 1;
  uint32_t codes = block[vector / kPlanes * kLanes + lane] >> (kLowBits * (vector % kPlanes)) &
                   (kMask | kMask << 16);
  if (kBits == 3)
    codes |= (block[high_offset / 4 + vector / 16 * kLanes + lane] >> (vector % 16) & 0x10001u)
             << 2;
  return SmallToBf16(codes);
}
// The vectors first and first + further of lanes g and g + 8.
template <int kBits>
QPKV_DEVICE FragmentA CodesOf(const uint8_t* block, size_t high_offset, int first, int further) {
  const uint32_t* words = reinterpret_cast<const uint32_t*>(block);
  const int g = LaneId() / 4;
  FragmentA a;
  for (int i = 0; i < 4; ++i)
    a.r[i] = PairOf<kBits>(words, high_offset, first + i / 2 * further, g + i % 2 * 8);
  return a;
}

// A scale, and what is added to the product of code and scale.
struct Line {
  float scale, added;
};
QPKV_DEVICE Line LineOf(const ReadPart& part, const StagedBlocks& staged, int slot, int c) {
  const size_t index = staged.IndexOf(part.format, slot, c);
  const float scale = LoadScale(part.format, staged.scales, index),
              offset = LoadOffset(part.format, staged.scales, staged.offsets, index);
  return {scale, CountsFromZero(part.format.zero) ? -offset * scale : offset};
}

// c [2] += 16 slots x 8 rows each, for one or two staged blocks from `block` on.
// q: [kTensorRows][dim + kQueryGap]. Whole warps.
template <int kBits>
QPKV_DEVICE void MultiplyKeys(const ReadPart& part, const StagedBlocks& staged, int dim, int block,
                              int blocks, const float* q, FragmentC* c) {
  const FragmentA ones = {{kOnes, kOnes, kOnes, kOnes}};
  const bool coded = kBits != 16,
             per_channel = coded && part.format.scale_per == ScalePer::kChannel;
  const int g = LaneId() / 4, t = LaneId() % 4, first = staged.first_slot + block * kLanes;
  FragmentC codes[2] = {}, queries = {};  // per token: of a channel group
  for (int depth = 0; depth < dim / kLanes; ++depth) {
    const float* row = q + g * (dim + kQueryGap) + kLanes * depth + 2 * t;
    const float x[4] = {row[0], row[1], row[8], row[9]};
    Parts factor = PartsOf(x), added = factor;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      if (j >= blocks) break;
      const int slot = first + j * kLanes;
      if (per_channel && (j == 0 || slot % part.format.group == 0)) {
        float scaled[4], more[4];
        for (int i = 0; i < 4; ++i) {
          const Line line = LineOf(part, staged, slot, kLanes * depth + 2 * t + i % 2 + i / 2 * 8);
          scaled[i] = x[i] * line.scale;
          more[i] = x[i] * line.added;
        }
        factor = PartsOf(scaled);
        added = PartsOf(more);
      }
      const FragmentA a =
          CodesOf<kBits>(staged.BlockOf(part.at, slot), part.at.high_offset, 8 * depth + t, 4);
      MultiplyParts(coded && !per_channel ? codes[j] : c[j], a, factor);
      if (per_channel) MultiplyParts(c[j], ones, added);
    }
    if (!coded || per_channel) continue;
    MultiplyParts(queries, ones, factor);
    const int end = kLanes * (depth + 1);
    if (end % part.format.group != 0 && end != dim) continue;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      if (j >= blocks) break;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const Line line = LineOf(part, staged, first + j * kLanes + g + i / 2 * 8, kLanes * depth);
        c[j].r[i] += line.scale * codes[j].r[i] + line.added * queries.r[i];
      }
      codes[j] = {};
    }
    queries = {};
  }
}

// sums [kTensorSums] += 16 channels x 8 rows each of blocks WarpId(), WarpId() + warps, ...: the
// values of staged slots [begin, end) under p [kTensorRows][kTileTokens]; slot s has p[s - first].
template <int kBits>
QPKV_DEVICE void MultiplyValues(const ReadPart& part, const StagedBlocks& staged, int dim,
                                int begin, int end, int first, int warps, const float* p,
                                FragmentC* sums) {
  const FragmentA ones = {{kOnes, kOnes, kOnes, kOnes}};
  const bool coded = kBits != 16,
             per_channel = coded && part.format.scale_per == ScalePer::kChannel;
  const int g = LaneId() / 4, t = LaneId() % 4, channel_blocks = dim / kLanes;
  for (int b = 0; b < staged.blocks; ++b) {
    const int slot = staged.first_slot + b * kLanes;
    float x[4];
    uint32_t there[2] = {0, 0};  // of slots 2t, 2t + 1, and of those 8 further
    for (int i = 0; i < 4; ++i) {
      const int own = slot + 2 * t + i % 2 + i / 2 * 8;
      const bool inside = own >= begin && own < end;
      x[i] = inside ? p[g * kTileTokens + own - first] : 0.0f;
      if (inside) there[i / 2] |= 0xffffu << (16 * (i % 2));
    }
    const Parts plain = PartsOf(x);
#pragma unroll
    for (int n = 0; n < kTensorSums; ++n) {
      const int channels = WarpId() + n * warps;
      if (channels >= channel_blocks) break;
      FragmentA a = CodesOf<kBits>(staged.BlockOf(part.at, slot), part.at.high_offset,
                                   t * channel_blocks + channels, 4 * channel_blocks);
      if (!coded) {
        // Free slots may hold NaN.
        for (int i = 0; i < 4; ++i) a.r[i] &= there[i / 2];
        MultiplyParts(sums[n], a, plain);
        continue;
      }
      if (per_channel) {
        FragmentC codes = {}, all = {};
        MultiplyParts(codes, a, plain);
        MultiplyParts(all, ones, plain);
        for (int i = 0; i < 4; ++i) {
          const Line line = LineOf(part, staged, slot, channels * kLanes + g + i / 2 * 8);
          sums[n].r[i] += line.scale * codes.r[i] + line.added * all.r[i];
        }
        continue;
      }
      float scaled[4], more[4];
      for (int i = 0; i < 4; ++i) {
        scaled[i] = more[i] = 0;
        if (x[i] == 0) continue;  // a free slot, whose scale may be anything
        const Line line = LineOf(part, staged, slot + 2 * t + i % 2 + i / 2 * 8, channels * kLanes);
        scaled[i] = x[i] * line.scale;
        more[i] = x[i] * line.added;
      }
      MultiplyParts(sums[n], a, PartsOf(scaled));
      MultiplyParts(sums[n], ones, PartsOf(more));
    }
  }
}

}  // namespace cuda
}  // namespace qpkv
