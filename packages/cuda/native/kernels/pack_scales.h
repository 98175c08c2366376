// What groups of values are coded with, as core's ops/tile_layout.h describes it: every operation
// rounded to float32 by itself, means in double.
#pragma once
#include "device/warp.h"
#include "kernels/pack_items.h"

namespace qpkv {
namespace cuda {

constexpr int kPackThreads = 256;
constexpr int kMostCells = kTileTokens * 256;

// The values of an item, which of them are kept exactly, and what groups are coded with.
struct PackWork {
  const PartItem* item;
  const int32_t* index;      // of rows in the source, or null
  const uint32_t* outlier;   // a bit per cell, in shared memory; null: there are none
  int dim, columns, groups;  // groups: rows of scales x columns
  // Per group. zero: the proximal solver's, not rounded.
  float *scale, *offset, *zero;
  const float* balance;  // [tokens or dim] in shared memory, or null

  QPKV_ON_DEVICE float Exact(int cell) const {
    const int t = cell / dim, c = cell % dim;
    return item->source[static_cast<size_t>(index != nullptr ? index[t] : t) * dim + c];
  }
  QPKV_ON_DEVICE bool IsOutlier(int cell) const {
    return outlier != nullptr && (outlier[cell / 32] >> (cell % 32) & 1u) != 0;
  }
  // As it is coded: divided by its balance; under kBeyond outliers count as 0.
  QPKV_ON_DEVICE float Value(int cell) const {
    if (item->format.outlier_rule == OutlierRule::kBeyond && IsOutlier(cell)) return 0;
    if (balance == nullptr) return Exact(cell);
    return Exact(cell) / balance[PerChannel() ? cell / dim : cell % dim];
  }
  QPKV_ON_DEVICE bool PerChannel() const { return item->format.scale_per == ScalePer::kChannel; }
  // Member i of group g, and how many it has.
  QPKV_ON_DEVICE int Members(int g) const {
    const int along = PerChannel() ? item->tokens : dim, first = g / columns * item->format.group;
    return along - first < item->format.group ? along - first : item->format.group;
  }
  QPKV_ON_DEVICE int Member(int g, int i) const {
    const int along = g / columns * item->format.group + i, column = g % columns;
    return PerChannel() ? along * dim + column : column * dim + along;
  }
  QPKV_ON_DEVICE int GroupOfCell(int t, int c) const {
    return PerChannel() ? t / item->format.group * columns + c
                        : c / item->format.group * columns + t;
  }
  // Whether a member takes part in low and high: outliers by deviation do not, unless a group has
  // nothing else.
  QPKV_ON_DEVICE bool Counts(int cell, bool all_out) const {
    return all_out || item->format.outlier_rule == OutlierRule::kBeyond || !IsOutlier(cell);
  }
};

QPKV_DEVICE float StoredMetadata(Element element, float x) {
  if (element == Element::kF32) return x;
  if (element == Element::kBf16) return RoundToBf16(x);
  return F16ToFloat(FloatToF16(fminf(fmaxf(x, -65504.0f), 65504.0f)));
}

QPKV_DEVICE float ClampCode(float code, int top) {
  return fminf(fmaxf(code, 0.0f), static_cast<float>(top));
}

QPKV_DEVICE bool AllOut(const PackWork& w, int g) {
  if (w.outlier == nullptr) return false;
  for (int i = 0; i < w.Members(g); ++i)
    if (!w.IsOutlier(w.Member(g, i))) return false;
  return true;
}

// 1 / scale where the proximal solver starts.
QPKV_DEVICE float ProximalInverse(Solver solver, int top, float low, float high) {
  const float range = high - low;
  float inverse = static_cast<float>(top) / range;
  if (solver == Solver::kProximalConstant && fabsf(range) <= 1e-4f) inverse = 1.0f;
  return fminf(inverse, 2e4f);
}

QPKV_DEVICE bool FitsNorms(const TensorFormat& format) {
  return format.solver == Solver::kNorm || format.solver == Solver::kKeepNorm;
}
QPKV_DEVICE bool IsProximal(const TensorFormat& format) {
  return format.solver == Solver::kProximalGrowing || format.solver == Solver::kProximalConstant;
}

// Of the members that count, or of all.
QPKV_DEVICE double NormOf(const PackWork& w, int g, bool all) {
  double squares = 0;
  for (int i = 0; i < w.Members(g); ++i) {
    const int cell = w.Member(g, i);
    if (!w.Counts(cell, all)) continue;
    squares += static_cast<double>(w.Value(cell)) * w.Value(cell);
  }
  return sqrt(squares);
}

QPKV_DEVICE void FindGroup(const PackWork& w, int g) {
  const TensorFormat& format = w.item->format;
  const int top = (1 << format.bits) - 1;
  const bool integer = format.zero == ZeroPoint::kInteger, proximal = IsProximal(format);
  const bool all_out = AllOut(w, g);
  if (FitsNorms(format)) {
    w.scale[g] = static_cast<float>(NormOf(w, g, all_out)) * format.spread;
    w.offset[g] = 0;
    return;
  }
  float low = Infinity(), high = -Infinity();
  for (int i = 0; i < w.Members(g); ++i) {
    const int cell = w.Member(g, i);
    if (!w.Counts(cell, all_out)) continue;
    low = fminf(low, w.Value(cell));
    high = fmaxf(high, w.Value(cell));
  }
  if (format.zero == ZeroPoint::kInScale) {
    const float scale = fmaxf(high - low, format.least) / static_cast<float>(top);
    w.scale[g] = scale;
    w.offset[g] = scale > 0 ? ClampCode(roundf(-low / scale), top) : 0.0f;
    return;
  }
  if (integer && !proximal) low = fminf(low, 0.0f), high = fmaxf(high, 0.0f);
  float scale =
      format.levels != nullptr ? (high - low) / 2.0f : (high - low) / static_cast<float>(top);
  if (format.levels == nullptr && !proximal)
    scale = fmaxf(high - low, format.least) / static_cast<float>(top);
  if (proximal && high > low) scale = 1.0f / ProximalInverse(format.solver, top, low, high);
  scale = StoredMetadata(format.metadata, scale);
  if (format.levels != nullptr) low = (high + low) / 2.0f;
  w.scale[g] = scale;
  w.offset[g] = integer ? (scale > 0 ? ClampCode(rintf(-low / scale), top) : 0.0f)
                        : StoredMetadata(format.metadata, low);
  w.zero[g] = scale > 0 ? -low / scale : 0.0f;
}

// One proximal step on a group; adds to the part's error and to how many values it is over.
QPKV_DEVICE void StepProximal(const PackWork& w, int g, float beta, double* error, int* count) {
  const int top = (1 << w.item->format.bits) - 1;
  const float s = w.scale[g], z = w.zero[g];
  const bool all_out = AllOut(w, g);
  double sum = 0;
  int members = 0;
  for (int i = 0; i < w.Members(g); ++i) {
    const int cell = w.Member(g, i);
    if (!w.Counts(cell, all_out)) continue;
    ++members;
    if (!(s > 0)) continue;
    const float x = w.Value(cell), code = ClampCode(rintf(x / s + z), top);
    const float back = (code - z) * s, away = x - back, size = fabsf(away);
    const float kept = size > 0 ? fmaxf(size - powf(size, -0.3f) / beta, 0.0f) : 0.0f;
    sum += code - (x - copysignf(kept, away)) / s;
    *error += size;
  }
  *count += members;
  if (s > 0) w.zero[g] = static_cast<float>(sum / members);
}

// All threads; begins and ends with a barrier.
QPKV_DEVICE void SolveProximal(const PackWork& w) {
  const TensorFormat& format = w.item->format;
  const int me = static_cast<int>(threadIdx.x), top = (1 << format.bits) - 1;
  float beta = 10.0f;
  double best = format.solver == Solver::kProximalGrowing ? 1e4 : static_cast<double>(Infinity());
  for (int step = 0; step < 20; ++step) {
    double error = 0;
    int count = 0;
    __syncthreads();
    for (int g = me; g < w.groups; g += kPackThreads) StepProximal(w, g, beta, &error, &count);
    error = BlockSum(error) / BlockSum(count);
    if (format.solver == Solver::kProximalGrowing) beta *= 1.01f;
    if (!(error < best)) break;
    best = error;
  }
  for (int g = me; g < w.groups; g += kPackThreads)
    if (w.scale[g] > 0)
      w.offset[g] = format.zero == ZeroPoint::kInteger
                        ? ClampCode(rintf(w.zero[g]), top)
                        : StoredMetadata(format.metadata, -w.zero[g] * w.scale[g]);
  __syncthreads();
}

QPKV_DEVICE int CodeFor(const TensorFormat& format, float x, float scale, float offset) {
  if (!(scale > 0)) return 0;
  const int top = (1 << format.bits) - 1;
  if (format.levels != nullptr) {
    const float y = (x - offset) / scale;
    int best = 0;
    for (int i = 1; i <= top; ++i)
      if (fabs(static_cast<double>(format.levels[i]) - static_cast<double>(y)) <
          fabs(static_cast<double>(format.levels[best]) - static_cast<double>(y)))
        best = i;
    return best;
  }
  if (format.zero == ZeroPoint::kInScale) {
    const float place = x * (1.0f / scale);
    return static_cast<int>(ClampCode(roundf(place + offset), top));
  }
  if (format.zero == ZeroPoint::kInteger)
    return static_cast<int>(ClampCode(rintf(x / scale) + offset, top));
  return static_cast<int>(ClampCode(rintf((x - offset) / scale), top));
}

// What is stored for a group whose codes are known.
QPKV_DEVICE float ScaleToStore(const PackWork& w, int g) {
  const TensorFormat& format = w.item->format;
  const float scale = w.scale[g];
  if (!FitsNorms(format)) return scale;
  if (format.solver == Solver::kNorm || !(scale > 0)) return StoredMetadata(format.metadata, scale);
  double squares = 0;
  for (int i = 0; i < w.Members(g); ++i) {
    const double level =
        format.levels[CodeFor(format, w.Value(w.Member(g, i)), scale, w.offset[g])];
    squares += level * level;
  }
  const double kept = squares > 0 ? NormOf(w, g, true) / sqrt(squares) : 0.0;
  return StoredMetadata(format.metadata, static_cast<float>(kept));
}

QPKV_DEVICE void StoreScale(const PackWork& w, size_t index, float scale, float offset) {
  const PartItem& item = *w.item;
  const TensorFormat& format = item.format;
  if (format.zero == ZeroPoint::kInScale) {
    reinterpret_cast<uint32_t*>(item.part + item.at.scales)[index] =
        (BitsOfFloat(scale) & ~15u) | static_cast<uint32_t>(offset);
    return;
  }
  StoreElement(format.metadata, item.part + item.at.scales, index, scale);
  if (format.zero == ZeroPoint::kInteger)
    item.part[item.at.offsets + index] = static_cast<uint8_t>(offset);
  else if (format.zero == ZeroPoint::kFloatMinimum)
    StoreElement(format.metadata, item.part + item.at.offsets, index, offset);
}

}  // namespace cuda
}  // namespace qpkv
