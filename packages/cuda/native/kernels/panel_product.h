// Products of rows of activations with a panel of 64 outputs, in float32.
//
// The input features are cut into kSlices pieces that depend on their number alone. Each piece is
// summed in order, the pieces are then added in order, so that a row gives the same bits alone and
// among others. A block has kSlices x 64 threads: thread t has output t % 64 and piece t / 64.
#pragma once
#include "device/warp.h"
#include "kernels/weights.h"

namespace qpkv {
namespace cuda {

constexpr int kSlices = 8;
constexpr int kProductThreads = kSlices * kPanel;
constexpr int kStep = 64;  // input features that a piece stages at once

// Features of a piece: whole steps.
QPKV_DEVICE int SliceOf(int k) { return static_cast<int>(AlignUp(DivideUp(k, kSlices), kStep)); }

// Adds the products of features [k, end) with x [kRows][kStep] to sums, for one output.
template <int kRows>
QPKV_DEVICE void AddExact(const PackedWeight& w, const uint8_t* panel, int lane, int k, int end,
                          const float (*x)[kStep], float* sums) {
  for (int i = k; i < end; ++i) {
    const float weight =
        LoadElement(w.format.element, panel, ExactIndex(w.format.element, lane, i));
    for (int r = 0; r < kRows; ++r) sums[r] = fmaf(x[r][i - k], weight, sums[r]);
  }
}

template <int kRows>
QPKV_DEVICE void AddCoded(const PackedWeight& w, const uint8_t* panel, int lane, int k, int end,
                          const float (*x)[kStep], float* sums) {
  const WeightFormat& format = w.format;
  const WeightGroup at = GroupOf(format);
  for (int first = k; first < end; first += format.group) {
    const uint8_t* group = panel + static_cast<size_t>(first / format.group) * at.bytes;
    const float scale = LoadElement(format.scale, group + at.scales, static_cast<size_t>(lane));
    const float minimum = MinimumAt(format, group, lane);
    const int last = first + format.group < end ? first + format.group : end;
    for (int i = first; i < last; ++i) {
      const int code = CodeAt(format, group, lane, i - first) - CodeZero(format);
      const float weight = fmaf(static_cast<float>(code), scale, minimum);
      for (int r = 0; r < kRows; ++r) sums[r] = fmaf(x[r][i - k], weight, sums[r]);
    }
  }
}

// out[r]: the product of row r with this thread's output; every piece's threads get it. x has
// `rows` rows, at most kRows, with stride w.k. `round`: x to bf16 first.
template <int kRows>
QPKV_DEVICE void PanelProduct(const PackedWeight& w, int panel_index, const float* x, int rows,
                              bool round, float* out) {
  QPKV_SHARED(float, staged, [kSlices][kRows][kStep]);
  QPKV_SHARED(float, pieces, [kSlices][kRows][kPanel]);
  const int lane = static_cast<int>(threadIdx.x) % kPanel,
            slice = static_cast<int>(threadIdx.x) / kPanel;
  const int size = SliceOf(w.k), begin = slice * size;
  const uint8_t* panel = PanelOf(w, panel_index);
  float sums[kRows];
  for (int r = 0; r < kRows; ++r) sums[r] = 0;
  for (int step = 0; step < size; step += kStep) {
    const int k = begin + step, mine = k + lane;
    __syncthreads();
    for (int r = 0; r < kRows; ++r) {
      const float value = mine < w.k && r < rows ? x[static_cast<size_t>(r) * w.k + mine] : 0.0f;
      staged[slice][r][lane] = round ? RoundToBf16(value) : value;
    }
    __syncthreads();
    const int end = k + kStep < w.k ? k + kStep : w.k;
    if (IsExact(w.format))
      AddExact<kRows>(w, panel, lane, k, end, staged[slice], sums);
    else
      AddCoded<kRows>(w, panel, lane, k, end, staged[slice], sums);
  }
  for (int r = 0; r < kRows; ++r) pieces[slice][r][lane] = sums[r];
  __syncthreads();
  for (int r = 0; r < kRows; ++r) {
    out[r] = pieces[0][r][lane];
    for (int s = 1; s < kSlices; ++s) out[r] += pieces[s][r][lane];
  }
}

// x as 16-bit words with a power-of-two scale per group of features.
QPKV_DEVICE void RoundGroupToWords(const float* x, int count, float* out) {
  float most = 0, sum = 0;
  for (int i = 0; i < count; ++i) {
    most = fmaxf(most, fabsf(x[i]));
    sum += x[i] - x[i];
  }
  int exponent = 0;
  frexpf(most, &exponent);  // most < 2^exponent
  exponent = (exponent < -111 ? -111 : exponent) - 15;
  for (int i = 0; i < count; ++i)
    out[i] = IsNan(sum) ? sum : ldexpf(fminf(32767.0f, rintf(ldexpf(x[i], -exponent))), exponent);
}

// x as bytes -127..127 with a float scale per group of features, its largest value at 127.
QPKV_DEVICE void RoundGroupToBytes(const float* x, int count, float* out) {
  float most = 0, sum = 0;
  for (int i = 0; i < count; ++i) {
    most = fmaxf(most, fabsf(x[i]));
    sum += x[i] - x[i];
  }
  const float inverse = most > 1e-30f ? 127.0f / most : 0.0f, scale = most / 127.0f;
  for (int i = 0; i < count; ++i) out[i] = IsNan(sum) ? sum : rintf(x[i] * inverse) * scale;
}

// x as coded products see it.
QPKV_DEVICE void RoundGroup(Products products, const float* x, int count, float* out) {
  if (products == Products::kShort) return RoundGroupToBytes(x, count, out);
  RoundGroupToWords(x, count, out);
}

}  // namespace cuda
}  // namespace qpkv
