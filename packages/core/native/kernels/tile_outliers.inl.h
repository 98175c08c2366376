// Outliers: the values of a part that are kept exactly beside the codes. Both rules are in
// ops/tile_layout.h.
#pragma once
#include "kernels/tile_quantize.inl.h"

namespace qpkv {
namespace {

// Scores by the rule kDeviation into `score`, by token-major order of [tokens, dim].
static void ScoreDeviations(const TileView& v, const PartMatrix& m, double* score) {
  const int along = v.per_channel ? m.tokens : v.dim, across = v.per_channel ? v.dim : m.tokens;
  for (int first = 0; first < along; first += v.format->group)
    for (int other = 0; other < across; ++other) {
      const int end = MinInt(first + v.format->group, along);
      const auto at = [&](int i) {
        const int slot = v.per_channel ? i : other, channel = v.per_channel ? other : i;
        return m.x[MatrixIndex(v.tensor, m, slot, channel)];
      };
      double sum = 0, spread = 0;
      for (int i = first; i < end; ++i) sum += at(i);
      const double mean = sum / (end - first);
      for (int i = first; i < end; ++i) spread += fabs(at(i) - mean);
      spread /= end - first;
      for (int i = first; i < end; ++i) {
        const int slot = v.per_channel ? i : other, channel = v.per_channel ? other : i;
        score[slot * v.dim + channel] = spread > 0 ? fabs(at(i) - mean) / spread : 0.0;
      }
    }
}

// Scores by the rule kBeyond: the size, or 0 for what is within the threshold. Returns how many are
// beyond.
static int ScoreSizes(const TileView& v, const PartMatrix& m, double* score) {
  int beyond = 0;
  for (int slot = 0; slot < m.tokens; ++slot)
    for (int channel = 0; channel < v.dim; ++channel) {
      const double size = fabs(static_cast<double>(m.x[MatrixIndex(v.tensor, m, slot, channel)]));
      const bool taken = size > v.format->outlier_threshold;
      score[slot * v.dim + channel] = taken ? size : 0.0;
      beyond += taken;
    }
  return beyond;
}

// The `capacity` best of `count` scores: marks them with 1 in `chosen`. Ties take the earlier one.
// Quickselect on (score, index).
static void ChooseBest(const double* score, int count, int capacity, int32_t* order,
                       uint8_t* chosen) {
  for (int i = 0; i < count; ++i) {
    order[i] = i;
    chosen[i] = 0;
  }
  const auto before = [&](int32_t a, int32_t b) {
    return score[a] > score[b] || (score[a] == score[b] && a < b);
  };
  int low = 0, high = count;
  while (high - low > 1 && capacity > low && capacity < high) {
    const int32_t pivot = order[low + (high - low) / 2];
    int i = low, j = high - 1;
    while (i <= j) {
      while (before(order[i], pivot)) ++i;
      while (before(pivot, order[j])) --j;
      if (i <= j) {
        const int32_t swap = order[i];
        order[i++] = order[j];
        order[j--] = swap;
      }
    }
    if (capacity <= j + 1)
      high = j + 1;
    else if (capacity >= i)
      low = i;
    else
      break;
  }
  for (int i = 0; i < MinInt(capacity, count); ++i) chosen[order[i]] = 1;
}

// Chooses outliers, writes their section, and leaves in m.x what is coded and in `inliers` what the
// search of extremes sees. Those of the rule kDeviation are marked in m.exact: they take no part in
// the solver; those of kBeyond are zeros like any other from here on.
static void FindOutliers(const TileView& v, const PartMatrix& m, double* score, int32_t* order,
                         uint8_t* chosen, float* inliers, uint8_t* part) {
  const int count = m.tokens * v.dim;
  const bool beyond = v.format->outlier_rule == OutlierRule::kBeyond;
  int capacity = v.at.outlier_capacity;
  if (beyond)
    capacity = MinInt(capacity, ScoreSizes(v, m, score));
  else
    ScoreDeviations(v, m, score);
  ChooseBest(score, count, capacity, order, chosen);
  const bool wide = v.format->metadata == Element::kF32;
  uint8_t* entry = part + v.at.outliers + 4;
  uint32_t found = 0;
  std::memset(m.exact, 0, m.rows * m.stride);
  for (int i = 0; i < count; ++i) {
    if (!chosen[i]) continue;
    const int token = i / v.dim, channel = i % v.dim;
    const size_t index = MatrixIndex(v.tensor, m, token, channel);
    m.exact[index] = !beyond;
    entry[0] = static_cast<uint8_t>(token);
    entry[1] = static_cast<uint8_t>(channel);
    alignas(64) float rounded[16];
    Store(rounded, RoundMetadata(v.format->metadata, Set(m.x[index])));
    if (wide) {
      std::memcpy(entry + 4, rounded, 4);
    } else {
      const uint16_t word =
          v.format->metadata == Element::kF16 ? FloatToF16(rounded[0]) : FloatToBf16(rounded[0]);
      std::memcpy(entry + 2, &word, 2);
    }
    if (beyond) m.x[index] = 0;
    entry += wide ? 8 : 4;
    ++found;
  }
  std::memcpy(part + v.at.outliers, &found, 4);
  std::memcpy(inliers, m.x, sizeof(float) * m.rows * m.stride);
  if (beyond) return;
  // Replaces every outlier by some inlier of its group; a group of nothing but outliers keeps them.
  for (int i = 0; i < count; ++i) {
    if (!chosen[i]) continue;
    const int token = i / v.dim, channel = i % v.dim, group = v.format->group;
    const int first = (v.per_channel ? token : channel) / group * group;
    const int end = MinInt(first + group, v.per_channel ? m.tokens : v.dim);
    for (int j = first; j < end; ++j) {
      const int slot = v.per_channel ? j : token, c = v.per_channel ? channel : j;
      if (chosen[slot * v.dim + c]) continue;
      inliers[MatrixIndex(v.tensor, m, token, channel)] = m.x[MatrixIndex(v.tensor, m, slot, c)];
      break;
    }
  }
}

}  // namespace
}  // namespace qpkv
