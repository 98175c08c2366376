// Sums of values under the probabilities of up to 8 query rows, straight from their packed form.
#pragma once
#include "kernels/decode_keys.h"

namespace qpkv {
namespace cuda {

constexpr int kChannelsEach = 2;  // of a thread, kDecodeThreads apart

// How the threads share a head's channels: `width` of them each have one (or two), and where that
// leaves threads over, several share the tokens.
struct ValueThreads {
  int width, slices;
};
QPKV_DEVICE ValueThreads ValueThreadsOf(int dim) {
  int width = 16;
  while (width < dim && width < kDecodeThreads) width *= 2;
  return {width, kDecodeThreads / width};
}

struct ValueSums {
  float of[kChannelsEach][kRowsAtOnce];
  TensorSums tensor;  // what went through tensor cores
};
constexpr int kDecodeWarps = kDecodeThreads / kWarp;

// kept: [kRowsAtOnce], a factor of each row.
QPKV_DEVICE void ScaleSums(const float* kept, ValueSums* sums) {
  for (int j = 0; j < kChannelsEach; ++j)
    for (int r = 0; r < kRowsAtOnce; ++r) sums->of[j][r] *= kept[r];
#pragma unroll
  for (int n = 0; n < kTensorSums; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) sums->tensor.of[n].r[i] *= kept[LaneId() % 4 * 2 + i % 2];
    sums->tensor.added[n] *= kept[LaneId() / 4];
  }
}
// out: [kRowsAtOnce][dim], of all warps together. A barrier must follow.
QPKV_DEVICE void StoreTensorSums(const ValueSums& sums, int dim, float* out) {
#pragma unroll
  for (int n = 0; n < kTensorSums; ++n) {
    const RowPair added = RowsOf(sums.tensor.added[n]);
    const int channels = FirstChannelBlock(dim, kDecodeWarps) + n;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int c = channels * kLanes + LaneId() / 4 + i / 2 * 8;
      if (channels < EndChannelBlock(dim, kDecodeWarps) && c < dim)
        out[(LaneId() % 4 * 2 + i % 2) * dim + c] = sums.tensor.of[n].r[i] + added.of[i % 2];
    }
  }
}

// Slots [begin, end) of a staged piece through tensor cores; slot s has the probability
// p[s - first].
template <int kBits>
QPKV_DEVICE void AddCodedValues(const ReadPart& read, const StagedBlocks& staged, const Line* lines,
                                int dim, int begin, int end, int first, const float* p,
                                TensorSums* sums) {
  if (read.format.scale_per == ScalePer::kChannel)
    MultiplyValues<kBits, true>(read, staged, lines, dim, begin, end, first, kDecodeWarps, p, sums);
  else
    MultiplyValues<kBits, false>(read, staged, lines, dim, begin, end, first, kDecodeWarps, p,
                                 sums);
}
QPKV_DEVICE void AddTensorValues(const ReadPart& read, const StagedBlocks& staged,
                                 const Line* lines, int dim, int begin, int end, int first,
                                 const float* p, TensorSums* sums) {
  switch (read.format.bits) {
    case 16:
      return MultiplyValues<16, false>(read, staged, nullptr, dim, begin, end, first, kDecodeWarps,
                                       p, sums);
    case 8:
      return AddCodedValues<8>(read, staged, lines, dim, begin, end, first, p, sums);
    case 4:
      return AddCodedValues<4>(read, staged, lines, dim, begin, end, first, p, sums);
    case 3:
      return AddCodedValues<3>(read, staged, lines, dim, begin, end, first, p, sums);
    case 2:
      return AddCodedValues<2>(read, staged, lines, dim, begin, end, first, p, sums);
    default:
      return AddCodedValues<1>(read, staged, lines, dim, begin, end, first, p, sums);
  }
}

QPKV_DEVICE void AddWeighted(float value, const float* p, int token, float* sums) {
  for (int r = 0; r < kRowsAtOnce; ++r) sums[r] = fmaf(p[r * kLogitPitch + token], value, sums[r]);
}

// Slots [begin, end) of a staged piece; slot s has the probability p[s - first].
QPKV_DEVICE void AddStaged(const ReadPart& read, const StagedBlocks& staged, int dim, int begin,
                           int end, int first, const float* p, ValueSums* sums) {
  const ValueThreads threads = ValueThreadsOf(dim);
  const int mine = static_cast<int>(threadIdx.x) % threads.width,
            slice = static_cast<int>(threadIdx.x) / threads.width;
  for (int j = 0; j < kChannelsEach; ++j) {
    const int c = mine + j * kDecodeThreads;
    if (c >= dim) return;
    for (int slot = begin + slice; slot < end; slot += threads.slices)
      AddWeighted(StagedValue(read, staged, Tensor::kValue, dim, slot, c), p, slot - first,
                  sums->of[j]);
    if (read.format.bits == 16 || slice != 0) continue;
    const int count = OutlierCount(read.data, read.at);
    for (int i = 0; i < count; ++i) {
      const Outlier outlier = OutlierAt(read.data, read.at, read.format.metadata, i);
      if (outlier.channel != c || outlier.token < begin || outlier.token >= end) continue;
      const float coded = StagedValue(read, staged, Tensor::kValue, dim, outlier.token, c);
      AddWeighted(outlier.value - coded, p, outlier.token - first, sums->of[j]);
    }
  }
}

// Adds a piece of values under the probabilities of its tokens, p [kRowsAtOnce][kLogitPitch]. All
// threads. work: [kWorkBytes].
QPKV_DEVICE void AddPieceValues(const Piece& piece, int dim, const float* p, uint8_t* work,
                                ValueSums* sums) {
  const int first = piece.key_first - piece.first;
  if (!piece.tensor_cores)
    return AddStaged(piece.part, piece.staged, dim, piece.begin, piece.end, first, p, sums);
  Line* lines = reinterpret_cast<Line*>(work);
  if (piece.part.format.bits != 16) {
    MakeLines(piece.part, piece.staged, lines);
    __syncthreads();
  }
  AddTensorValues(piece.part, piece.staged, lines, dim, piece.begin, piece.end, first, p,
                  &sums->tensor);
}

}  // namespace cuda
}  // namespace qpkv
