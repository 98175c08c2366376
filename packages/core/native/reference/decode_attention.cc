// Reference DecodeAttention: unpacks everything and sums in double. Both precisions give the same.
#include <algorithm>
#include <cmath>
#include <vector>

#include "reference/dense_ops.h"
#include "reference/tile_cells.h"
#include "reference/tile_ops.h"
#include "reference/transform.h"

namespace qpkv {
namespace reference {
namespace {

PartShape ShapeOf(const CacheItem& item, Tensor tensor, const Part& part) {
  const bool key = tensor == Tensor::kKey;
  return {tensor, OnHost((key ? item.key_formats : item.value_formats) + part.segment),
          key ? item.needs : PartNeeds{}, part.part_tokens};
}

// Keys or values of all parts of head h behind one another, taken back to what they were before
// storing, [tokens, dim].
std::vector<float> UnpackParts(Stream& stream, const CacheItem& item, int h, Tensor tensor,
                               int dim) {
  const HeadView& head = item.heads[h];
  const bool key = tensor == Tensor::kKey;
  const Part* parts = key ? head.keys : head.values;
  const int count = key ? head.key_parts : head.value_parts;
  std::vector<float> all(static_cast<size_t>(head.tokens) * dim);
  for (int i = 0; i < count; ++i) {
    UnpackItem read{};
    read.shape = ShapeOf(item, tensor, parts[i]);
    read.part = parts[i].data;
    read.tokens = TokensOf(parts, count, i, head.tokens);
    read.values = all.data() + static_cast<size_t>(parts[i].first) * dim;
    Unpack(stream, {OnHost<const UnpackItem>(&read), 1, dim});
  }
  const Transform& transform = key ? item.key_transform : item.value_transform;
  const float* means = transform.means ? transform.means + static_cast<size_t>(h) * dim : nullptr;
  for (int t = 0; t < head.tokens && !transform.none(); ++t) {
    const auto row = all.begin() + static_cast<long>(t) * dim;
    std::vector<double> x(row, row + dim);
    Restore(transform, means, dim, &x);
    std::copy(x.begin(), x.end(), row);
  }
  return all;
}

// Rotates the keys of the parts that are stored before RoPE, and says which slots count.
std::vector<bool> FinishKeys(const DecodeAttentionArgs& a, const CacheItem& item,
                             const HeadView& head, std::vector<float>* keys) {
  std::vector<bool> valid(head.tokens, true);
  for (int i = 0; i < head.key_parts; ++i) {
    const Part& part = head.keys[i];
    const PartShape shape = ShapeOf(item, Tensor::kKey, part);
    const PartLayout at = LayoutOf(shape, a.dim);
    const int tokens = TokensOf(head.keys, head.key_parts, i, head.tokens);
    for (int t = 0; t < tokens; ++t) {
      valid[part.first + t] = IsValid(part.data, at, shape.needs, Tensor::kKey, t);
      if (!shape.format.get()->rope_before) continue;
      int32_t position;
      std::memcpy(&position, part.data + at.positions + static_cast<size_t>(t) * 4, 4);
      float* key = keys->data() + static_cast<size_t>(part.first + t) * a.dim;
      for (int c = 0; c < item.rotary_dim / 2; ++c) {
        const float angle =
            static_cast<float>(position) * item.inv_freq[c];  // in float32, as the models do
        const double cosine = std::cos(static_cast<double>(angle)) * item.rope_scale;
        const double sine = std::sin(static_cast<double>(angle)) * item.rope_scale;
        const double x = key[c], y = key[c + item.rotary_dim / 2];
        key[c] = static_cast<float>(x * cosine - y * sine);
        key[c + item.rotary_dim / 2] = static_cast<float>(y * cosine + x * sine);
      }
    }
  }
  return valid;
}

void AttendHead(Stream& stream, const DecodeAttentionArgs& a, const CacheItem& item, int h) {
  const HeadView& head = item.heads[h];
  std::vector<float> keys = UnpackParts(stream, item, h, Tensor::kKey, a.dim);
  const std::vector<float> values = UnpackParts(stream, item, h, Tensor::kValue, a.dim);
  const std::vector<bool> valid = FinishKeys(a, item, head, &keys);
  std::vector<double> mass(head.tokens, 0.0);
  for (int g = 0; g < item.group; ++g)
    for (int r = 0; r < item.rows; ++r) {
      const size_t column = static_cast<size_t>(h * item.group + g) * a.dim;
      const float* q = item.q + static_cast<size_t>(r) * item.q_stride + column;
      float* out = item.out + static_cast<size_t>(r) * item.out_stride + column;
      const int seen = head.tokens - item.rows + r + 1;
      const int hidden = item.hidden ? item.hidden[h * item.rows + r] : 0;
      std::vector<double> p(head.tokens, 0.0);
      double largest = -INFINITY;
      for (int t = hidden; t < seen; ++t) {
        if (!valid[t]) continue;
        double dot = 0;
        for (int c = 0; c < a.dim; ++c)
          dot += static_cast<double>(q[c]) * keys[static_cast<size_t>(t) * a.dim + c];
        p[t] = Capped(dot * a.scale, a.cap);
        largest = std::max(largest, p[t]);
      }
      double sum = 0;
      for (int t = 0; t < head.tokens; ++t) {
        p[t] = t >= hidden && t < seen && valid[t] ? std::exp(p[t] - largest) : 0.0;
        sum += p[t];
      }
      std::vector<double> total(a.dim, 0.0);
      for (int t = 0; t < head.tokens; ++t) {
        if (p[t] == 0) continue;
        p[t] /= sum;
        for (int c = 0; c < a.dim; ++c)
          total[c] += p[t] * values[static_cast<size_t>(t) * a.dim + c];
        mass[t] += p[t];
      }
      for (int c = 0; c < a.dim; ++c) out[c] = static_cast<float>(total[c]);
    }
  if (!item.token_mass) return;
  float* to = item.token_mass + static_cast<size_t>(h) * item.mass_stride;
  for (int t = 0; t < head.tokens; ++t) to[t] = static_cast<float>(mass[t]);
}

}  // namespace

void DecodeAttention(Stream& stream, const DecodeAttentionArgs& a) {
  for (int i = 0; i < a.count; ++i)
    for (int h = 0; h < a.items[i].head_count; ++h) AttendHead(stream, a, a.items[i], h);
}

}  // namespace reference
}  // namespace qpkv
