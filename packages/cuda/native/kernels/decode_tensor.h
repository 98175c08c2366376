// Keys and values of the usual formats through tensor cores: codes become fragments without being
// unpacked, for a word of a part holds what a register of fragment A does (core's
// ops/tile_layout.h).
//
// Scales go to the other factor where they belong to the summed index (channels of keys, tokens of
// values): q_c s_c and p_t s_t, each as two bf16 parts, so that no more is rounded than a sum in
// float32 would. Else they are applied to the sums of their group. What is added to a code, a
// minimum or a zero point, comes to one number for all outputs of a row and is summed aside, in
// float32, by the lanes that have the other factor.
#pragma once
#include "device/mma.h"
#include "device/warp.h"
#include "kernels/staged_part.h"

namespace qpkv {
namespace cuda {

constexpr int kTensorRows = 8;  // columns of a product: query rows
constexpr int kQueryGap = 8;    // floats between staged rows: lanes of a load in other banks
constexpr int kTensorSums = 4;  // channel blocks of a warp, up to 256 channels
constexpr int kLogitPitch = kTileTokens + 8;  // floats between rows of p, for the same reason

QPKV_DEVICE bool GoesThroughTensorCores(const TensorFormat& format, int dim) {
  if (dim % kLanes != 0 || format.rope_before) return false;
  if (format.bits == 16) return format.element == Element::kBf16;
  return format.group % kLanes == 0 && format.levels == nullptr && format.balance_steps == 0 &&
         format.outlier_fraction == 0;
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

// What the four lanes of a row's g hold in pieces, for the rows of the columns that this lane has
// in fragment C: rows 2t and 2t + 1. Whole warps.
struct RowPair {
  float of[2];
};
QPKV_DEVICE RowPair RowsOf(float piece) {
  piece += ShuffleXor(piece, 1);
  piece += ShuffleXor(piece, 2);
  const int t = LaneId() % 4;
  return {{ShuffleFrom(piece, 8 * t), ShuffleFrom(piece, 8 * t + 4)}};
}

// Two values of a vector's lane as bf16: exact ones, or codes, which bf16 holds exactly.
template <int kBits>
QPKV_DEVICE uint32_t PairOf(const uint32_t* block, size_t high_offset, int vector, int lane) {
  if (kBits == 16) return block[vector * kLanes + lane];
  constexpr int kLowBits = kBits == 3 ? 2 : kBits, kPlanes = 16 / kLowBits;
  constexpr uint32_t kMask = (1u << kLowBits) - 1;
  uint32_t codes = block[vector / kPlanes * kLanes + lane] >> (kLowBits * (vector % kPlanes)) &
                   (kMask | kMask << 16);
  if (kBits == 8) return ByteToBf16(codes);
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

// A scale, and what is added to the product of code and scale: made once of a staged piece, so that
// neither elements nor kinds of zero points are told apart within products.
struct alignas(8) Line {
  float scale, added;
};
struct alignas(16) LinePair {
  Line of[2];
};
// What a block works in beside staged pieces: the lines of a piece, or sums of the other path. A
// line takes as much as the largest scale and offset; one block of any format fits.
constexpr int kWorkBytes = 8 << 10;
// Of scales alone, without offsets, 4 KiB may hold more lines than there is room for.
QPKV_DEVICE size_t MetaRoom(const ReadPart& part, bool tensor) {
  const size_t line = ElementBytes(part.format.metadata) + OffsetBytes(part.format),
               room = kWorkBytes / sizeof(Line) * line;
  return tensor && room < kMetaBytes ? room : kMetaBytes;
}
// All threads, behind the barrier that follows the copies; another must follow.
QPKV_DEVICE void MakeLines(const ReadPart& part, const StagedBlocks& staged, Line* lines) {
  for (int i = static_cast<int>(threadIdx.x); i < staged.scale_count;
       i += static_cast<int>(blockDim.x)) {
    const size_t index = static_cast<size_t>(i);
    const float scale = LoadScale(part.format, staged.scales, index),
                offset = LoadOffset(part.format, staged.scales, staged.offsets, index);
    lines[i] = {scale, CountsFromZero(part.format.zero) ? -offset * scale : offset};
  }
}
// Of 2t, 2t + 1 and those 8 further, behind `index`, which is even.
struct FourLines {
  LinePair of[2];
};
QPKV_DEVICE FourLines LinesOf(const Line* lines, int index) {
  const LinePair* pairs = reinterpret_cast<const LinePair*>(lines) + index / 2;
  return {{pairs[0], pairs[4]}};
}

// c [2] += 16 slots x 8 rows each, for one or two staged blocks from `block` on.
// q: [kTensorRows][dim + kQueryGap]; lines: of coded ones. Whole warps.
template <int kBits, bool kPerChannel>
QPKV_DEVICE void MultiplyKeys(const ReadPart& part, const StagedBlocks& staged, const Line* lines,
                              int dim, int block, int blocks, const float* q, FragmentC* c) {
  constexpr bool kCoded = kBits != 16;
  const int g = LaneId() / 4, t = LaneId() % 4, first = staged.first_slot + block * kLanes;
  const float* row = q + g * (dim + kQueryGap) + 2 * t;
  FragmentC codes[2] = {};       // of a channel group, where a token has its own scales
  float added[2] = {}, all = 0;  // pieces of row g: of a block; of q over a channel group
  // Where the scales of a block begin: of channel 0, or of its token g in the first channel group.
  int scales[2] = {};
  if (kCoded)
    for (int j = 0; j < blocks; ++j)
      scales[j] = static_cast<int>(
          staged.IndexOf(part.format, first + j * kLanes + (kPerChannel ? 0 : g), 0));
  const bool one_group = blocks == 2 && (first + kLanes) % (kCoded ? part.format.group : 1) != 0;
  for (int depth = 0; depth < dim / kLanes; ++depth) {
    const float* at = row + kLanes * depth;
    const float x[4] = {at[0], at[1], at[8], at[9]};
    Parts factor = kPerChannel ? Parts{} : PartsOf(x);
    float more = 0;
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      if (j >= blocks) break;
      if (kPerChannel && !(j == 1 && one_group)) {
        const FourLines four = LinesOf(lines, scales[j] + kLanes * depth + 2 * t);
        float scaled[4];
        more = 0;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const Line line = four.of[i / 2].of[i % 2];
          scaled[i] = x[i] * line.scale;
          more = fmaf(x[i], line.added, more);
        }
        factor = PartsOf(scaled);
      }
      added[j] += more;
      const FragmentA a = CodesOf<kBits>(staged.BlockOf(part.at, first + j * kLanes),
                                         part.at.high_offset, 8 * depth + t, 4);
      MultiplyParts(kCoded && !kPerChannel ? codes[j] : c[j], a, factor);
    }
    if (!kCoded || kPerChannel) continue;
    all += (x[0] + x[1]) + (x[2] + x[3]);
    const int end = kLanes * (depth + 1);
    if (end % part.format.group != 0 && end != dim) continue;
    const RowPair sums = RowsOf(all);
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      if (j >= blocks) break;
#pragma unroll
      for (int further = 0; further < 2; ++further) {
        const Line line = lines[scales[j] + 8 * further];
#pragma unroll
        for (int i = 0; i < 2; ++i)
          c[j].r[2 * further + i] +=
              line.scale * codes[j].r[2 * further + i] + line.added * sums.of[i];
      }
      codes[j] = {};
      scales[j] += staged.stride;
    }
    all = 0;
  }
#pragma unroll
  for (int j = 0; j < (kPerChannel ? 2 : 0); ++j) {
    if (j >= blocks) break;
    const RowPair sums = RowsOf(added[j]);
#pragma unroll
    for (int i = 0; i < 4; ++i) c[j].r[i] += sums.of[i % 2];
  }
}

// The channel blocks of a warp are neighbours, so that they share scales; the last may be cut off.
QPKV_DEVICE int ChannelBlocksEach(int dim, int warps) {
  return ((dim + kLanes - 1) / kLanes + warps - 1) / warps;
}
QPKV_DEVICE int FirstChannelBlock(int dim, int warps) {
  return WarpId() * ChannelBlocksEach(dim, warps);
}
QPKV_DEVICE int EndChannelBlock(int dim, int warps) {
  const int end = FirstChannelBlock(dim, warps) + ChannelBlocksEach(dim, warps),
            all = (dim + kLanes - 1) / kLanes;
  return end < all ? end : all;
}

// Sums of a warp's channel blocks.
struct TensorSums {
  FragmentC of[kTensorSums];  // 16 channels x 8 rows
  float added[kTensorSums];   // pieces of row g for all channels of the block
};

// sums += the values of staged slots [begin, end) under p [kTensorRows][kLogitPitch]; slot s has
// p[s - first].
template <int kBits, bool kPerChannel>
QPKV_DEVICE void MultiplyValues(const ReadPart& part, const StagedBlocks& staged, const Line* lines,
                                int dim, int begin, int end, int first, int warps, const float* p,
                                TensorSums* sums) {
  constexpr bool kCoded = kBits != 16;
  const int g = LaneId() / 4, t = LaneId() % 4, channel_blocks = dim / kLanes,
            first_channels = FirstChannelBlock(dim, warps),
            end_channels = EndChannelBlock(dim, warps);
  // Of a channel block, so that no group is divided for within the loops: where its lines begin, of
  // slot 0, and whether its scales are those of the block before.
  int lines_at[kTensorSums] = {};
  bool as_before[kTensorSums] = {};
  if (kCoded && !kPerChannel)
#pragma unroll
    for (int n = 0; n < kTensorSums; ++n) {
      const int channel = (first_channels + n) * kLanes;
      lines_at[n] = (channel / part.format.group - staged.row) * staged.stride - staged.column;
      as_before[n] = n > 0 && channel % part.format.group != 0;
    }
  for (int b = 0; b < staged.blocks; ++b) {
    const int slot = staged.first_slot + b * kLanes;
    float x[4];
    uint32_t there[2] = {0, 0};  // of slots 2t, 2t + 1, and of those 8 further
    for (int i = 0; i < 4; ++i) {
      const int own = slot + 2 * t + i % 2 + i / 2 * 8;
      const bool inside = own >= begin && own < end;
      x[i] = inside ? p[g * kLogitPitch + own - first] : 0.0f;
      if (inside) there[i / 2] |= 0xffffu << (16 * (i % 2));
    }
    Parts factor = PartsOf(x);
    const RowPair mass = kPerChannel ? RowsOf((x[0] + x[1]) + (x[2] + x[3])) : RowPair{};
    float more = 0;
#pragma unroll
    for (int n = 0; n < kTensorSums; ++n) {
      const int channels = first_channels + n;
      if (channels >= end_channels) break;
      FragmentA a = CodesOf<kBits>(staged.BlockOf(part.at, slot), part.at.high_offset,
                                   t * channel_blocks + channels, 4 * channel_blocks);
      if (!kCoded) {
        // Free slots may hold NaN.
        for (int i = 0; i < 4; ++i) a.r[i] &= there[i / 2];
        MultiplyParts(sums->of[n], a, factor);
        continue;
      }
      if (kPerChannel) {
        FragmentC codes = {};
        MultiplyParts(codes, a, factor);
#pragma unroll
        for (int further = 0; further < 2; ++further) {
          const Line line =
              lines[staged.IndexOf(part.format, slot, channels * kLanes + g + 8 * further)];
#pragma unroll
          for (int i = 0; i < 2; ++i)
            sums->of[n].r[2 * further + i] +=
                line.scale * codes.r[2 * further + i] + line.added * mass.of[i];
        }
        continue;
      }
      if (!as_before[n]) {
        const FourLines four = LinesOf(lines, lines_at[n] + slot + 2 * t);
        float scaled[4];
        more = 0;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          // A free slot's scale may be anything.
          const Line line = four.of[i / 2].of[i % 2];
          scaled[i] = x[i] == 0 ? 0.0f : x[i] * line.scale;
          more = x[i] == 0 ? more : fmaf(x[i], line.added, more);
        }
        factor = PartsOf(scaled);
      }
      MultiplyParts(sums->of[n], a, factor);
      sums->added[n] += more;
    }
  }
}

}  // namespace cuda
}  // namespace qpkv
