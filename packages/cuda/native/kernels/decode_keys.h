// Logits of up to 8 query rows with one key part, straight from its packed form.
#pragma once
#include "kernels/activation.h"
#include "kernels/part_pieces.h"
#include "kernels/transform.h"

namespace qpkv {
namespace cuda {

// The queries of a block in shared memory.
struct Queries {
  float* plain;    // [kRowsAtOnce][dim]
  float* rotated;  // [kRowsAtOnce][dim] as keys are stored, their means aside
  float* spread;   // [kRowsAtOnce][dim + kQueryGap] the same, for tensor cores
  float* shift;    // [kRowsAtOnce] products with the means of the keys
};
constexpr size_t QueryFloats(size_t dim) { return kRowsAtOnce * (3 * dim + kQueryGap + 1); }
QPKV_DEVICE Queries QueriesAt(float* shared, int dim) {
  float* spread = shared + 2 * kRowsAtOnce * dim;
  return {shared, shared + kRowsAtOnce * dim, spread, spread + kRowsAtOnce * (dim + kQueryGap)};
}

// All threads, none of which may be reading queries; a barrier must follow before any does, such as
// that of NextPiece.
QPKV_DEVICE void LoadQueries(const DecodeRows& rows, int dim, const Queries& q) {
  const Transform transform = rows.item->key_transform;
  const int me = static_cast<int>(threadIdx.x);
  for (int i = me; i < kRowsAtOnce * dim; i += kDecodeThreads) {
    const int r = i / dim, c = i % dim;
    const float x = r < rows.rows
                        ? rows.item->q[static_cast<size_t>(rows.TokenRow(r)) * rows.item->q_stride +
                                       rows.Column(r, dim) + c]
                        : 0.0f;
    q.plain[i] = x;
    q.rotated[i] = transform.rotate && transform.signs != nullptr ? x * transform.signs[c] : x;
  }
  if (transform.rotate) RotateShared(q.rotated, kRowsAtOnce * dim, dim);
  __syncthreads();
  for (int i = me; i < kRowsAtOnce * dim; i += kDecodeThreads)
    q.spread[i / dim * (dim + kQueryGap) + i % dim] = q.rotated[i];
  if (me >= kRowsAtOnce) return;
  const float* means = transform.means == nullptr
                           ? nullptr
                           : transform.means + static_cast<size_t>(rows.index) * dim;
  float shift = 0;
  for (int c = 0; means != nullptr && c < dim; ++c)
    shift = fmaf(q.plain[me * dim + c], means[c], shift);
  q.shift[me] = shift;
}

QPKV_DEVICE void AddValue(float value, const float* q, int dim, int c, float* sums) {
  for (int r = 0; r < kRowsAtOnce; ++r) sums[r] = fmaf(q[r * dim + c], value, sums[r]);
}

// Vectors [begin, end) of one token: channels 2 begin .. 2 end.
template <int kBits>
QPKV_DEVICE void AddCodes(const ReadPart& part, const StagedBlocks& staged, int dim, int slot,
                          int begin, int end, const float* q, float* sums) {
  constexpr int kLowBits = kBits == 3 ? 2 : kBits, kPlanes = 16 / kLowBits;
  const uint32_t* low = reinterpret_cast<const uint32_t*>(staged.BlockOf(part.at, slot));
  const uint32_t* high = low + part.at.high_offset / 4;
  const int lane = slot % kLanes;
  for (int i = begin; i < end; ++i) {
    const uint32_t word = low[i / kPlanes * kLanes + lane] >> (kLowBits * (i % kPlanes));
    int codes[2] = {static_cast<int>(word & ((1u << kLowBits) - 1)),
                    static_cast<int>(word >> 16 & ((1u << kLowBits) - 1))};
    if (kBits == 3) {
      const uint32_t more = high[i / 16 * kLanes + lane] >> (i % 16);
      codes[0] += static_cast<int>(more & 1u) * 4;
      codes[1] += static_cast<int>(more >> 16 & 1u) * 4;
    }
    for (int pair = 0; pair < 2; ++pair) {
      const int c = 2 * i + pair;
      AddValue(StagedCode(part, staged, codes[pair], slot, c), q, dim, c, sums);
    }
  }
}

QPKV_DEVICE void TurnAndAdd(const CacheItem& item, int dim, int position, int c, float x, float y,
                            const float* q, float* sums) {
  const float angle = static_cast<float>(position) * item.inv_freq[c];
  const float cosine = cosf(angle) * item.rope_scale, sine = sinf(angle) * item.rope_scale;
  AddValue(x * cosine - y * sine, q, dim, c, sums);
  AddValue(y * cosine + x * sine, q, dim, c + item.rotary_dim / 2, sums);
}

// Keys stored before the rotary embedding: rotated here by the token's position.
QPKV_DEVICE void AddRotated(const CacheItem& item, const DecodeAttentionArgs& a,
                            const ReadPart& part, const StagedBlocks& staged, int slot, int slice,
                            int slices, const float* q, float* sums) {
  const int32_t position = reinterpret_cast<const int32_t*>(part.data + part.at.positions)[slot];
  const auto value = [&](int c) {
    float x = StagedValue(part, staged, Tensor::kKey, a.dim, slot, c);
    for (int i = 0; part.format.bits != 16 && i < OutlierCount(part.data, part.at); ++i) {
      const Outlier outlier = OutlierAt(part.data, part.at, part.format.metadata, i);
      if (outlier.token == slot && outlier.channel == c) x = outlier.value;
    }
    return x;
  };
  const int half = item.rotary_dim / 2;
  for (int c = slice; c < half; c += slices)
    TurnAndAdd(item, a.dim, position, c, value(c), value(c + half), q, sums);
  for (int c = item.rotary_dim + slice; c < a.dim; c += slices)
    AddValue(value(c), q, a.dim, c, sums);
}

// The same where keys were also transformed: one thread takes the whole key back first.
QPKV_DEVICE void AddRestored(const DecodeRows& rows, const DecodeAttentionArgs& a,
                             const ReadPart& part, const StagedBlocks& staged, int slot,
                             const float* q, float* sums) {
  const int32_t position = reinterpret_cast<const int32_t*>(part.data + part.at.positions)[slot];
  const CacheItem& item = *rows.item;
  float key[kMostDim];
  for (int c = 0; c < a.dim; ++c) key[c] = StagedValue(part, staged, Tensor::kKey, a.dim, slot, c);
  for (int i = 0; part.format.bits != 16 && i < OutlierCount(part.data, part.at); ++i) {
    const Outlier outlier = OutlierAt(part.data, part.at, part.format.metadata, i);
    if (outlier.token == slot && outlier.channel < a.dim) key[outlier.channel] = outlier.value;
  }
  RestoreAlone(item.key_transform, rows.index, a.dim, key);
  const int half = item.rotary_dim / 2;
  for (int c = 0; c < half; ++c)
    TurnAndAdd(item, a.dim, position, c, key[c], key[c + half], q, sums);
  for (int c = item.rotary_dim; c < a.dim; ++c) AddValue(key[c], q, a.dim, c, sums);
}

// What outliers of one token differ from their codes.
QPKV_DEVICE void AddOutliers(const ReadPart& part, const StagedBlocks& staged, int dim, int slot,
                             const float* q, float* sums) {
  const int count = OutlierCount(part.data, part.at);
  for (int i = 0; i < count; ++i) {
    const Outlier outlier = OutlierAt(part.data, part.at, part.format.metadata, i);
    if (outlier.token != slot || outlier.channel >= dim) continue;
    const float coded = StagedValue(part, staged, Tensor::kKey, dim, slot, outlier.channel);
    AddValue(outlier.value - coded, q, dim, outlier.channel, sums);
  }
}

QPKV_DEVICE void AddToken(const DecodeRows& rows, const DecodeAttentionArgs& a,
                          const ReadPart& part, const StagedBlocks& staged, int slot, int slice,
                          int slices, const float* q, float* sums) {
  if (part.format.rope_before && !rows.item->key_transform.none()) {
    if (slice == 0) AddRestored(rows, a, part, staged, slot, q, sums);
    return;
  }
  if (part.format.rope_before)
    return AddRotated(*rows.item, a, part, staged, slot, slice, slices, q, sums);
  const int vectors = part.at.vectors, each = (vectors + slices - 1) / slices;
  const int begin = slice * each, end = begin + each < vectors ? begin + each : vectors;
  switch (part.format.bits) {
    case 8:
      AddCodes<8>(part, staged, a.dim, slot, begin, end, q, sums);
      break;
    case 4:
      AddCodes<4>(part, staged, a.dim, slot, begin, end, q, sums);
      break;
    case 3:
      AddCodes<3>(part, staged, a.dim, slot, begin, end, q, sums);
      break;
    case 2:
      AddCodes<2>(part, staged, a.dim, slot, begin, end, q, sums);
      break;
    case 1:
      AddCodes<1>(part, staged, a.dim, slot, begin, end, q, sums);
      break;
    default:
      for (int c = 2 * begin; c < 2 * end; ++c)
        AddValue(StagedValue(part, staged, Tensor::kKey, a.dim, slot, c), q, a.dim, c, sums);
      return;
  }
  if (slice == 0) AddOutliers(part, staged, a.dim, slot, q, sums);
}

// Logit of slot `own` with row r from their product; -infinity where the row does not look.
QPKV_DEVICE float LogitOf(const DecodeRows& rows, const DecodeAttentionArgs& a,
                          const ReadPart& part, int first, int tokens, int r, int own, float sum) {
  const int token = first + own;
  const bool seen = r < rows.rows && own < tokens && token < rows.Seen(r) &&
                    token >= rows.Hidden(r) &&
                    (!rows.item->needs.mask || IsValidSlot(part.data, part.at, own));
  return seen ? Capped(sum * a.scale, a.cap) : -Infinity();
}

template <int kBits>
QPKV_DEVICE void MultiplyCodedKeys(const ReadPart& part, const StagedBlocks& staged,
                                   const Line* lines, int dim, int block, int blocks,
                                   const float* q, FragmentC* c) {
  if (part.format.scale_per == ScalePer::kChannel)
    MultiplyKeys<kBits, true>(part, staged, lines, dim, block, blocks, q, c);
  else
    MultiplyKeys<kBits, false>(part, staged, lines, dim, block, blocks, q, c);
}

// Logits of staged blocks through tensor cores: each warp has a block or two neighbours.
QPKV_DEVICE void TensorLogits(const DecodeRows& rows, const DecodeAttentionArgs& a,
                              const ReadPart& part, const StagedBlocks& staged, const Line* lines,
                              int first, int tokens, const Queries& queries, float* p) {
  const int each = staged.blocks > kDecodeThreads / kWarp ? 2 : 1, block = WarpId() * each;
  if (block >= staged.blocks) return;
  const int blocks = staged.blocks - block < each ? staged.blocks - block : each;
  FragmentC c[2] = {};
  switch (part.format.bits) {
    case 16:
      MultiplyKeys<16, false>(part, staged, nullptr, a.dim, block, blocks, queries.spread, c);
      break;
    case 8:
      MultiplyCodedKeys<8>(part, staged, lines, a.dim, block, blocks, queries.spread, c);
      break;
    case 4:
      MultiplyCodedKeys<4>(part, staged, lines, a.dim, block, blocks, queries.spread, c);
      break;
    case 3:
      MultiplyCodedKeys<3>(part, staged, lines, a.dim, block, blocks, queries.spread, c);
      break;
    case 2:
      MultiplyCodedKeys<2>(part, staged, lines, a.dim, block, blocks, queries.spread, c);
      break;
    default:
      MultiplyCodedKeys<1>(part, staged, lines, a.dim, block, blocks, queries.spread, c);
  }
#pragma unroll
  for (int j = 0; j < 2; ++j)
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (j >= blocks) break;
      const int r = LaneId() % 4 * 2 + i % 2,
                own = staged.first_slot + (block + j) * kLanes + LaneId() / 4 + i / 2 * 8;
      if (own < kTileTokens)
        p[r * kLogitPitch + own] =
            LogitOf(rows, a, part, first, tokens, r, own, queries.shift[r] + c[j].r[i]);
    }
}

// The logits of a piece of keys into p [kRowsAtOnce][kLogitPitch], -infinity where a row does not
// look; behind the last piece of a part, p is whole. All threads; a barrier must follow.
// work: [kWorkBytes].
QPKV_DEVICE void PieceLogits(const DecodeRows& rows, const DecodeAttentionArgs& a,
                             const Piece& piece, const Queries& queries, uint8_t* work, float* p) {
  const ReadPart& part = piece.part;
  const StagedBlocks& staged = piece.staged;
  const int me = static_cast<int>(threadIdx.x);
  if (piece.last) {
    const int end = (piece.key_tokens + kLanes - 1) / kLanes * kLanes;
    for (int i = me; i < kRowsAtOnce * kTileTokens; i += kDecodeThreads)
      if (i % kTileTokens >= end) p[i / kTileTokens * kLogitPitch + i % kTileTokens] = -Infinity();
  }
  if (piece.tensor_cores) {
    Line* lines = reinterpret_cast<Line*>(work);
    if (part.format.bits != 16) {
      MakeLines(part, staged, lines);
      __syncthreads();
    }
    return TensorLogits(rows, a, part, staged, lines, piece.first, piece.key_tokens, queries, p);
  }
  // Threads that share a slot have a slice of its channels each.
  float* slices = reinterpret_cast<float*>(work);
  const int count = piece.at_once * kLanes, pieces = kDecodeThreads / count;
  const int slot = staged.first_slot + me % count, slice = me / count;
  // Keys before RoPE are taken back, so that their queries stay as they are.
  const float* q = part.format.rope_before ? queries.plain : queries.rotated;
  float sums[kRowsAtOnce];
  for (int r = 0; r < kRowsAtOnce; ++r) sums[r] = 0;
  if (slot < piece.end) AddToken(rows, a, part, staged, slot, slice, pieces, q, sums);
  for (int r = 0; r < kRowsAtOnce; ++r)
    slices[(slice * kRowsAtOnce + r) * count + me % count] = sums[r];
  __syncthreads();
  for (int i = me; i < kRowsAtOnce * count; i += kDecodeThreads) {
    const int r = i / count, own = staged.first_slot + i % count;
    if (own >= kTileTokens) continue;
    float sum = part.format.rope_before ? 0.0f : queries.shift[r];
    for (int s = 0; s < pieces; ++s) sum += slices[(s * kRowsAtOnce + r) * count + i % count];
    p[r * kLogitPitch + own] = LogitOf(rows, a, part, piece.first, piece.key_tokens, r, own, sum);
  }
}
static_assert(kWorkBytes >= 4 * kRowsAtOnce * kDecodeThreads, "room for slices");

}  // namespace cuda
}  // namespace qpkv
