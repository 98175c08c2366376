// Into the form in which a layer stores K or V, and back (Transform in ops/tensor_format.h).
#pragma once
#include "kernels/tile_view.inl.h"

namespace qpkv {
namespace {

constexpr int kMostChannels = 256;

// The Walsh-Hadamard rotation of one row: channels of a vector by a 16 x 16 table, vectors of a run
// by butterflies.
struct Rotation {
  int run, dim;
  alignas(64) float table[16][16];  // blocks of min(run, 16), scaled by 1 / sqrt(run)
};

static void MakeRotation(int dim, Rotation* rotation) {
  rotation->run = RotatedRun(dim);
  rotation->dim = dim;
  const int block = MinInt(rotation->run, 16);
  const float size = 1.0f / sqrtf(static_cast<float>(rotation->run));
  for (int j = 0; j < 16; ++j)
    for (int lane = 0; lane < 16; ++lane)
      rotation->table[j][lane] = j / block != lane / block                    ? 0.0f
                                 : __builtin_parity((j & lane) & (block - 1)) ? -size
                                                                              : size;
}

// x: [dim, padded to 16 with zeros], in place.
static void RotateRow(const Rotation& r, float* x) {
  for (int v = 0; v < r.dim; v += 16) {
    F32x16 sum[2] = {Zero(), Zero()};
    for (int j = 0; j < 16; j += 2) {
      sum[0] = Fma(Load(r.table[j]), Set(x[v + j]), sum[0]);
      sum[1] = Fma(Load(r.table[j + 1]), Set(x[v + j + 1]), sum[1]);
    }
    Store(x + v, Add(sum[0], sum[1]));
  }
  for (int half = 16; half < r.run; half *= 2)
    for (int v = 0; v < r.dim; v += 16) {
      if (v & half) continue;
      const F32x16 a = Load(x + v), b = Load(x + v + half);
      Store(x + v, Add(a, b));
      Store(x + v + half, Sub(a, b));
    }
}

QPKV_INLINE void MultiplySigns(const float* signs, int dim, float* x) {
  for (int c = 0; c < dim; ++c) x[c] *= signs[c];
}

// One row of `dim` channels as it is stored. means: [dim] of its head, or null. to: padded to 16.
static void TransformRow(const Transform& t, const Rotation& rotation, const float* means,
                         const float* from, int dim, float* to) {
  for (int c = 0; c < dim; ++c) to[c] = means ? from[c] - means[c] : from[c];
  for (int c = dim; c % 16 != 0; ++c) to[c] = 0;
  if (!t.rotate) return;
  if (t.signs) MultiplySigns(t.signs, dim, to);
  RotateRow(rotation, to);
}

// A sum of stored values whose weights add up to one and whose means are none, taken back in place.
static void RestoreRow(const Transform& t, const Rotation& rotation, float* x) {
  const int dim = rotation.dim;
  alignas(64) float row[kMostChannels];
  std::memcpy(row, x, sizeof(float) * dim);
  for (int c = dim; c % 16 != 0; ++c) row[c] = 0;
  RotateRow(rotation, row);
  if (t.signs) MultiplySigns(t.signs, dim, row);
  std::memcpy(x, row, sizeof(float) * dim);
}

// The keys of a decoded block, [dim / 2][pair][lane] with lanes tokens, taken back in place.
static void RestoreKeys(const Transform& t, const float* means, int dim, float* x) {
  const auto channel = [&](int c) { return x + c / 2 * 32 + c % 2 * 16; };
  if (t.rotate) {
    const int run = RotatedRun(dim);
    for (int half = 1; half < run; half *= 2)
      for (int c = 0; c < dim; ++c) {
        if (c & half) continue;
        const F32x16 a = Load(channel(c)), b = Load(channel(c + half));
        Store(channel(c), Add(a, b));
        Store(channel(c + half), Sub(a, b));
      }
    const float size = 1.0f / sqrtf(static_cast<float>(run));
    for (int c = 0; c < dim; ++c)
      Store(channel(c), Mul(Load(channel(c)), Set(t.signs ? size * t.signs[c] : size)));
  }
  for (int c = 0; means && c < dim; ++c) Store(channel(c), Add(Load(channel(c)), Set(means[c])));
}

}  // namespace
}  // namespace qpkv
