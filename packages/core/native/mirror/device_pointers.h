// Which device memory the arguments of an op lead to: every pointer with its bytes, as far as they
// follow from the arguments alone. What hangs behind a pointer on the device (rows of Sample,
// tables of parts) is looked at by the op only, when the pages are open.
#pragma once
#include "ops/ops.h"
#include "ops/statistic.h"

namespace qpkv {

// For ops without a description of their own: nothing is looked at; their pages are still closed
// to everybody else.
template <class Args, class Visit>
void DevicePointers(const Args&, const Visit&) {}

template <class Visit>
void DevicePointers(const LoadFloatsArgs& a, const Visit& visit) {
  visit(a.out, sizeof(float) * a.count);
}

template <class Visit>
void DevicePointers(const EmbedArgs& a, const Visit& visit) {
  visit(a.table.data, 1);
  visit(a.ids, sizeof(int32_t) * a.rows);
  visit(a.out, sizeof(float) * a.rows * a.table.k);
}

template <class Visit>
void DevicePointers(const PackWeightArgs& a, const Visit& visit) {
  visit(a.out.data, 1);
}

template <class Visit>
void DevicePointers(const MatmulArgs& a, const Visit& visit) {
  visit(a.x, sizeof(float) * a.m * a.weight.k);
  visit(a.weight.data, 1);
  visit(a.bias, sizeof(float) * a.weight.n);
  visit(a.out, sizeof(float) * a.m * a.weight.n);
}

inline size_t RowBytes(int rows, int stride, int dim) {
  return sizeof(float) * (static_cast<size_t>(rows - 1) * stride + dim);
}

template <class Visit>
void DevicePointers(const RmsNormArgs& a, const Visit& visit) {
  visit(a.x, RowBytes(a.rows, a.stride, a.dim));
  visit(a.weight, sizeof(float) * a.dim);
  visit(a.out, RowBytes(a.rows, a.stride, a.dim));
}

template <class Visit>
void DevicePointers(const ScaleArgs& a, const Visit& visit) {
  visit(a.x, sizeof(float) * a.count);
  visit(a.out, sizeof(float) * a.count);
}

template <class Visit>
void DevicePointers(const RopeArgs& a, const Visit& visit) {
  visit(a.x, RowBytes(a.rows, a.stride, a.heads * a.dim));
  visit(a.positions, sizeof(int32_t) * a.rows);
  visit(a.inv_freq, sizeof(float) * (a.turned / 2));
}

template <class Visit>
void DevicePointers(const GluArgs& a, const Visit& visit) {
  visit(a.gate_up, sizeof(float) * a.rows * 2 * a.dim);
  visit(a.out, sizeof(float) * a.rows * a.dim);
}

template <class Visit>
void DevicePointers(const StoreHeadsArgs& a, const Visit& visit) {
  visit(a.x, RowBytes(a.rows, a.stride, a.heads * a.dim));
  visit(a.out,
        sizeof(float) * a.dim * (static_cast<size_t>(a.heads - 1) * a.capacity + a.first + a.rows));
}

template <class Visit>
void DevicePointers(const PrefillAttentionArgs& a, const Visit& visit) {
  const size_t keys =
      sizeof(float) * a.dim * (static_cast<size_t>(a.kv_heads - 1) * a.capacity + a.first + a.rows);
  visit(a.q, RowBytes(a.rows, a.q_stride, a.q_heads * a.dim));
  visit(a.k, keys);
  visit(a.v, keys);
  visit(a.out, sizeof(float) * a.rows * a.q_heads * a.dim);
  visit(a.lse, sizeof(float) * a.rows * a.q_heads);
}

template <class Visit>
void DevicePointers(const NoteNanArgs& a, const Visit& visit) {
  visit(a.x, sizeof(float) * a.rows * a.dim);
  visit(a.notes, sizeof(int32_t) * a.rows);
}

template <class Visit>
void DevicePointers(const CountTokensArgs& a, const Visit& visit) {
  visit(a.ids, sizeof(int32_t) * a.count);
  visit(a.counts, sizeof(int32_t));
}

template <class Visit>
void DevicePointers(const SampleArgs& a, const Visit& visit) {
  visit(a.rows, sizeof(SampleRow) * a.count);
  visit(a.out, sizeof(SampledToken) * a.count);
}

template <class Visit>
void DevicePointers(const ScoreOperationArgs& a, const Visit& visit) {
  const size_t row = sizeof(float) * a.tokens;
  for (int i = 0; i < a.count; ++i) visit(a.of[i], row * a.rows);
  visit(a.out, row * a.out_rows);
}

template <class Visit>
void DevicePointers(const ShareHeadsArgs& a, const Visit& visit) {
  visit(a.scores, sizeof(float) * a.heads * a.stride);
  visit(a.keep, sizeof(int32_t) * a.heads);
}

template <class Visit>
void DevicePointers(const SelectArgs& a, const Visit& visit) {
  for (int i = 0; i < a.stage_count; ++i)
    visit(a.stages[i].scores, sizeof(float) * a.heads * a.stride);
  visit(a.keep, sizeof(int32_t) * a.heads);
}

template <class Visit>
void DevicePointers(const StatisticArgs& a, const Visit& visit) {
  const size_t keys = sizeof(float) * a.shape.kv_heads * a.capacity * a.shape.dim;
  visit(a.q, a.rows > 0 ? RowBytes(a.rows, a.q_stride, a.shape.q_heads * a.shape.dim) : 0);
  visit(a.q_before, sizeof(float) * a.rows * a.shape.q_heads * a.shape.dim);
  visit(a.lse, sizeof(float) * a.rows);
  visit(a.outputs, sizeof(float) * a.rows * a.shape.q_heads * a.shape.dim);
  for (const float* rows : {a.k, a.k_before, a.v}) visit(rows, keys);
  visit(a.output.data, 1);
  visit(a.inv_freq, sizeof(float) * (a.turned / 2));
  visit(a.out, sizeof(float) * a.shape.kv_heads * a.shape.tokens);
}

}  // namespace qpkv
