// Reference DecodeAttention: unpacks everything and sums in double. Both precisions give the same.
#include <algorithm>
#include <cmath>
#include <vector>

#include "reference/dense_ops.h"
#include "reference/tile_cells.h"
#include "reference/tile_ops.h"

namespace qpkv {
namespace reference {
namespace {

// Keys or values of all parts behind one another, [tokens, dim].
std::vector<float> UnpackParts(Stream& stream, Tensor tensor, const Part* parts, int count,
                               int tokens, int dim) {
  std::vector<float> all(static_cast<size_t>(tokens) * dim);
  int first = 0;
  for (int i = 0; i < count; ++i) {
    const Part& part = parts[i];
    UnpackArgs args{};
    args.part = part.data;
    args.tokens = part.tokens;
    args.part_tokens = part.part_tokens;
    args.dim = dim;
    args.tensor = tensor;
    args.format = part.format;
    args.needs = part.needs;
    args.values = all.data() + static_cast<size_t>(first) * dim;
    Unpack(stream, args);
    first += part.tokens;
  }
  return all;
}

// Rotates the keys of the parts that are stored before RoPE, and says which slots count.
std::vector<bool> FinishKeys(const DecodeAttentionArgs& a, const HeadView& head,
                             std::vector<float>* keys) {
  std::vector<bool> valid(head.tokens, true);
  int token = 0;
  for (int i = 0; i < head.key_parts; ++i) {
    const Part& part = head.keys[i];
    const PartLayout at = LayoutOf(Tensor::kKey, *part.format, part.part_tokens, a.dim, part.needs);
    for (int t = 0; t < part.tokens; ++t, ++token) {
      valid[token] = IsValid(part.data, at, part.needs, Tensor::kKey, t);
      if (!part.format->rope_before) continue;
      int32_t position;
      std::memcpy(&position, part.data + at.positions + static_cast<size_t>(t) * 4, 4);
      float* key = keys->data() + static_cast<size_t>(token) * a.dim;
      for (int c = 0; c < a.turned / 2; ++c) {
        const float angle =
            static_cast<float>(position) * a.inv_freq[c];  // in float32, as the models do
        const double cosine = std::cos(static_cast<double>(angle)) * a.rope_scale;
        const double sine = std::sin(static_cast<double>(angle)) * a.rope_scale;
        const double x = key[c], y = key[c + a.turned / 2];
        key[c] = static_cast<float>(x * cosine - y * sine);
        key[c + a.turned / 2] = static_cast<float>(y * cosine + x * sine);
      }
    }
  }
  return valid;
}

}  // namespace

void DecodeAttention(Stream& stream, const DecodeAttentionArgs& a) {
  for (int n = 0; n < a.count; ++n) {
    const DecodeItem& item = a.items[n];
    const HeadView& head = item.head;
    std::vector<float> keys =
        UnpackParts(stream, Tensor::kKey, head.keys, head.key_parts, head.tokens, a.dim);
    const std::vector<float> values =
        UnpackParts(stream, Tensor::kValue, head.values, head.value_parts, head.tokens, a.dim);
    const std::vector<bool> valid = FinishKeys(a, head, &keys);
    if (item.token_mass) std::fill(item.token_mass, item.token_mass + head.tokens, 0.0f);
    for (int r = 0; r < item.rows; ++r) {
      const float* q = item.q + static_cast<size_t>(r) * item.q_stride;
      float* out = item.out + static_cast<size_t>(r) * item.out_stride;
      const int visible = item.visible ? std::min(item.visible[r], head.tokens) : head.tokens;
      const int hidden = item.hidden ? item.hidden[r] : 0;
      std::vector<double> p(head.tokens, 0.0);
      double largest = -INFINITY;
      for (int t = hidden; t < visible; ++t) {
        if (!valid[t]) continue;
        double dot = 0;
        for (int c = 0; c < a.dim; ++c)
          dot += static_cast<double>(q[c]) * keys[static_cast<size_t>(t) * a.dim + c];
        p[t] = Capped(dot * a.scale, a.cap);
        largest = std::max(largest, p[t]);
      }
      double sum = 0;
      for (int t = 0; t < head.tokens; ++t) {
        p[t] = t >= hidden && t < visible && valid[t] ? std::exp(p[t] - largest) : 0.0;
        sum += p[t];
      }
      std::vector<double> total(a.dim, 0.0);
      for (int t = 0; t < head.tokens; ++t) {
        if (p[t] == 0) continue;
        p[t] /= sum;  // a row that sees nothing gives zeros
        for (int c = 0; c < a.dim; ++c)
          total[c] += p[t] * values[static_cast<size_t>(t) * a.dim + c];
        if (item.token_mass) item.token_mass[t] += static_cast<float>(p[t]);
      }
      for (int c = 0; c < a.dim; ++c) out[c] = static_cast<float>(total[c]);
    }
  }
}

}  // namespace reference
}  // namespace qpkv
