// Which values of a part are kept exactly: a search for the score of the last one, and their list
// in ascending order of token and channel.
#pragma once
#include "kernels/pack_scales.h"
#include "kernels/radix_select.h"

namespace qpkv {
namespace cuda {

// Mean and mean distance from it of a group's values, in double.
struct Spread {
  double mean, distance;
};

QPKV_DEVICE Spread SpreadOf(const PackWork& w, int g) {
  const int members = w.Members(g);
  double sum = 0, distance = 0;
  for (int i = 0; i < members; ++i) sum += w.Exact(w.Member(g, i));
  const double mean = sum / members;
  for (int i = 0; i < members; ++i) distance += fabs(w.Exact(w.Member(g, i)) - mean);
  return {mean, distance / members};
}

QPKV_DEVICE double OutlierScore(const PackWork& w, const Spread* spreads, int cell) {
  const float x = w.Exact(cell);
  if (w.item->format.outlier_rule == OutlierRule::kBeyond) return fabs(static_cast<double>(x));
  const Spread spread = spreads[w.GroupOfCell(cell / w.dim, cell % w.dim)];
  return spread.distance > 0 ? fabs(x - spread.mean) / spread.distance : 0.0;
}

QPKV_DEVICE void WriteOutlier(const PackWork& w, int cell, int place) {
  const Element metadata = w.item->format.metadata;
  uint8_t* entry =
      w.item->part + w.item->at.outliers + 4 + static_cast<size_t>(place) * OutlierBytes(metadata);
  entry[0] = static_cast<uint8_t>(cell / w.dim);
  entry[1] = static_cast<uint8_t>(cell % w.dim);
  StoreElement(metadata, entry + (metadata == Element::kF32 ? 4 : 2), 0,
               StoredMetadata(metadata, w.Exact(cell)));
}

// bits: [kMostCells / 32] in shared memory; spreads: [groups]. All threads; ends with a barrier.
QPKV_DEVICE void FindOutliers(const PackWork& w, Spread* spreads, uint32_t* bits) {
  const TensorFormat& format = w.item->format;
  const int cells = w.item->tokens * w.dim, me = static_cast<int>(threadIdx.x);
  const bool beyond = format.outlier_rule == OutlierRule::kBeyond;
  for (int i = me; i < (cells + 31) / 32; i += kPackThreads) bits[i] = 0;
  int many = beyond ? 0 : me == 0 ? cells : 0;
  if (beyond)
    for (int cell = me; cell < cells; cell += kPackThreads)
      many += OutlierScore(w, spreads, cell) > format.outlier_threshold;
  else
    for (int g = me; g < w.groups; g += kPackThreads) spreads[g] = SpreadOf(w, g);
  many = BlockSum(many);
  const int keep = many < w.item->at.outlier_capacity ? many : w.item->at.outlier_capacity;
  int found = 0;
  if (keep > 0) {
    const auto key_of = [&](int cell, uint64_t* key) {
      const double score = OutlierScore(w, spreads, cell);
      *key = SortKey64(score);
      return !beyond || score > format.outlier_threshold;
    };
    const Threshold<uint64_t> threshold = FindThreshold<uint64_t>(cells, keep, key_of);
    found = VisitKept(cells, threshold, key_of, [&](int cell, int place) {
      atomicOr(&bits[cell / 32], 1u << (cell % 32));
      WriteOutlier(w, cell, place);
    });
  }
  if (me == 0)
    *reinterpret_cast<uint32_t*>(w.item->part + w.item->at.outliers) = static_cast<uint32_t>(found);
  __syncthreads();
}

}  // namespace cuda
}  // namespace qpkv
