// Keys, values and queries of attention in the form that TileProduct reads, in blocks of 64 keys
// and 48 query rows.
//
//   keys     [block][dim / depth][64 keys][depth]
//   values   [block][64 / depth][dim padded to 16][depth]
//   queries  [48][steps of dim padded to 32]
//
// depth = factors per step: 2 for bf16 pairs, 1 for float32.
#pragma once
#include "base/bf16.h"
#include "kernels/soft_cap.inl.h"
#include "kernels/tile_product.inl.h"

namespace qpkv {
namespace {

constexpr int kKeyBlock = 64;
constexpr int kQueryBlock = 48;  // a multiple of every kTileRows
constexpr float kLog2E = 1.44269504f, kLn2 = 0.693147181f;

QPKV_INLINE void StoreFactor(uint16_t* p, float x) { *p = FloatToBf16(x); }
QPKV_INLINE void StoreFactor(float* p, float x) { *p = x; }

template <class Step>
QPKV_INLINE size_t KeyBlockSize(int dim) {  // in Step::B
  return static_cast<size_t>(kKeyBlock) * AlignUp(dim, Step::kDepth);
}
template <class Step>
QPKV_INLINE size_t ValueBlockSize(int dim) {
  return static_cast<size_t>(kKeyBlock) * AlignUp(dim, 16);
}

// Stores 16 keys x 32 channels (rows of `from`, `stride` apart, the first `keys` exist) into lanes
// `lane`.. of a key block.
template <class Step>
QPKV_INLINE void PackKeyTile(const float* from, size_t stride, int keys, int channels, int lane,
                             typename Step::B* to) {
  if constexpr (Step::kDepth == 2) {
    // Rows rounded to bf16 pairs, then words moved to their lanes: [16 keys][16 pairs] -> [pair][64
    // lanes].
    uint16_t rows[16][32];
    for (int t = 0; t < 16; ++t) {
      if (t < keys)
        StoreB16(rows[t], PackB16(LoadN(from + t * stride, channels),
                                  LoadN(from + t * stride + 16, channels - 16)));
      else
        __builtin_memset(rows[t], 0, sizeof rows[t]);
    }
    const int pairs = channels < 32 ? channels / 2 : 16;
    for (int p = 0; p < pairs; ++p) {
      uint32_t line[16];
      for (int t = 0; t < 16; ++t) __builtin_memcpy(line + t, rows[t] + 2 * p, sizeof *line);
      __builtin_memcpy(to + (static_cast<size_t>(p) * kKeyBlock + lane) * 2, line, sizeof line);
    }
  } else {
    const int count = channels < 32 ? channels : 32;
    for (int i = 0; i < count; ++i)
      for (int t = 0; t < 16; ++t)
        StoreFactor(to + i * kKeyBlock + lane + t, t < keys ? from[t * stride + i] : 0.0f);
  }
}

// One block of keys [64, dim]; keys from `count` on are zero.
template <class Step>
void PackKeyBlock(const float* keys, int count, int dim, typename Step::B* out) {
  for (int lane = 0; lane < kKeyBlock; lane += 16)
    for (int i = 0; i < dim; i += 32)
      PackKeyTile<Step>(keys + static_cast<size_t>(lane) * dim + i, dim, count - lane, dim - i,
                        lane, out + static_cast<size_t>(i) * kKeyBlock);
}

// One block of values [64, dim]; values from `count` on are zero.
template <class Step>
void PackValueBlock(const float* values, int count, int dim, typename Step::B* out) {
  const size_t padded = AlignUp(dim, 16);
  for (int t = 0; t < kKeyBlock; t += Step::kDepth, out += padded * Step::kDepth)
    for (int i = 0; i < dim; i += 16) {
      const F32x16 even =
          t < count ? LoadN(values + static_cast<size_t>(t) * dim + i, dim - i) : Zero();
      if constexpr (Step::kDepth == 2) {
        const F32x16 odd =
            t + 1 < count ? LoadN(values + static_cast<size_t>(t + 1) * dim + i, dim - i) : Zero();
        StoreB16(out + i * 2, PackPairs(even, odd));
      } else {
        Store(out + i, even);
      }
    }
}

template <class Step>
QPKV_INLINE size_t QueryStride(int dim) {  // in Step::A
  return AlignUp(dim, 32) / Step::kDepth;
}

// `rows` query rows of one head; rows up to 48 are zero.
template <class Step>
void PackQueries(const float* q, size_t q_stride, int rows, int dim, typename Step::A* out) {
  const size_t stride = QueryStride<Step>(dim);
  for (int r = 0; r < kQueryBlock; ++r)
    for (int i = 0; i < dim; i += 32) {
      const float* from = q + r * q_stride + i;
      const bool row = r < rows;
      Step::StoreA(out + r * stride + i / Step::kDepth, row ? LoadN(from, dim - i) : Zero(),
                   row ? LoadN(from + 16, dim - i - 16) : Zero());
    }
}

// Raw logits of `rows` (rounded up to whole tiles) query rows against one key block: out [48][64].
template <class Step>
QPKV_INLINE void BlockLogits(const typename Step::A* q, const typename Step::B* keys, int rows,
                             int dim, float* out) {
  constexpr int kCols = Step::kCols;
  const size_t stride = QueryStride<Step>(dim);
  const int steps = dim / Step::kDepth;
  for (int r = 0; r < rows; r += kTileRows)
    for (int col = 0; col < kKeyBlock; col += 16 * kCols) {
      F32x16 acc[kTileRows][kCols];
#pragma GCC unroll 8
      for (int i = 0; i < kTileRows; ++i)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c) acc[i][c] = Zero();
      TileProduct<Step, kTileRows, kCols>(acc, q + r * stride, stride, keys + col * Step::kDepth,
                                          kKeyBlock * Step::kDepth, steps);
#pragma GCC unroll 8
      for (int i = 0; i < kTileRows; ++i)
#pragma GCC unroll 8
        for (int c = 0; c < kCols; ++c)
          StoreAligned(out + (r + i) * kKeyBlock + col + 16 * c, acc[i][c]);
    }
}

// Caps raw logits, [rows][64], where scale * logit is what the cap is about.
QPKV_INLINE void CapBlock(float* logits, int rows, float scale, float cap) {
  const SoftCap soft = SoftCapOf(cap / scale);
  for (int i = 0; i < rows * kKeyBlock; i += 16)
    StoreAligned(logits + i, Capped(soft, LoadAligned(logits + i)));
}

// Which keys a query row sees: [begin, end) as positions.
struct Visible {
  int begin, end;
};
QPKV_INLINE Visible CausalRange(int position, int window) {
  const int end = position + 1;
  return {window > 0 && end > window ? end - window : 0, end};
}

// Sets logits of keys outside [begin, end) to `value`; row [64] starts at key `first`.
QPKV_INLINE void MaskRow(float* row, int first, Visible seen, float value) {
  const I32x16 lane = Iota();
  for (int i = 0; i < kKeyBlock; i += 16) {
    const Mask16 below = LessI(lane, SetI(seen.begin - first - i)),
                 inside = LessI(lane, SetI(seen.end - first - i));
    StoreAligned(row + i, Select(AndM(inside, NotM(below)), LoadAligned(row + i), Set(value)));
  }
}

}  // namespace
}  // namespace qpkv
