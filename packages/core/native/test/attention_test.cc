// PrefillAttention of every table against the reference.
#include <algorithm>
#include <cmath>

#include "test/harness.h"

namespace qpkv {
namespace {

struct Shape {
  int rows, first, q_heads, kv_heads, dim, window;
  float cap = 0;
};

struct Inputs {
  std::vector<float> q, k, v;
  int capacity, q_stride;

  explicit Inputs(const Shape& s)
      : capacity(s.first + s.rows + 3), q_stride(s.q_heads * s.dim + 8) {
    Random random(static_cast<uint64_t>(s.rows * 7919 + s.first * 31 + s.q_heads * 5 + s.dim));
    q = random.Normals(static_cast<size_t>(s.rows) * q_stride);
    k = random.Normals(static_cast<size_t>(s.kv_heads) * capacity * s.dim);
    v = random.Normals(static_cast<size_t>(s.kv_heads) * capacity * s.dim);
    // What lies beyond the tokens must not be seen.
    for (int h = 0; h < s.kv_heads; ++h)
      for (size_t i = static_cast<size_t>(s.first + s.rows) * s.dim;
           i < static_cast<size_t>(capacity) * s.dim; ++i)
        k[static_cast<size_t>(h) * capacity * s.dim + i] =
            v[static_cast<size_t>(h) * capacity * s.dim + i] = NAN;
  }
};

void CheckPrefill(const Shape& s, Precision precision) {
  if (!Sampled()) return;
  const Inputs in(s);
  const auto attend = [&](const Ops& ops, Stream& stream, std::vector<float>* lse) {
    std::vector<float> out(static_cast<size_t>(s.rows) * s.q_heads * s.dim, NAN);
    lse->assign(static_cast<size_t>(s.q_heads) * s.rows, NAN);
    ops.PrefillAttention(
        stream, {in.q.data(), in.k.data(), in.v.data(), out.data(), lse->data(), s.rows, s.first,
                 s.q_heads, s.kv_heads, s.dim, in.q_stride, in.capacity, s.window,
                 1.0f / std::sqrt(1.0f * s.dim), precision, s.cap});
    return out;
  };
  std::vector<float> want_lse, lse, again_lse;
  const std::vector<float> want = attend(Reference(), TestStream(), &want_lse);
  for (const Ops* ops : Tables()) {
    const std::string label =
        Label("%s prefill precision %d rows %d first %d heads %d/%d dim %d window %d", ops->name,
              static_cast<int>(precision), s.rows, s.first, s.q_heads, s.kv_heads, s.dim, s.window);
    const std::vector<float> got = attend(*ops, *Streams()[0], &lse);
    // bf16: the probabilities are rounded too, which the reference does not do: 2^-9 each at most,
    // averaging out.
    const bool bf16 = precision == Precision::kBf16;
    // Under a cap of 50 the rounding of tanh moves logits by up to 5e-6.
    ExpectClose(label, got.data(), want.data(), got.size(),
                bf16        ? 2.5e-3
                : s.cap > 0 ? 4e-6
                            : 2e-6);
    ExpectNear(label, got.data(), want.data(), got.size(), bf16 ? 4e-3 : 5e-6);
    ExpectNear(label + " lse", lse.data(), want_lse.data(), lse.size(), bf16 ? 6e-6 : 2e-6);
    for (Stream* stream : Streams()) {
      const std::vector<float> again = attend(*ops, *stream, &again_lse);
      ExpectEqualBytes(label + " threads", again.data(), got.data(), got.size() * 4);
      ExpectEqualBytes(label + " threads lse", again_lse.data(), lse.data(), lse.size() * 4);
    }
  }
}

QPKV_TEST(PrefillAttention) {
  for (Precision precision : {Precision::kBf16, Precision::kF32}) {
    for (int dim : {4, 6, 10, 20, 32, 40, 48, 64, 72, 80, 96, 100, 104, 128, 256})
      CheckPrefill({50, 20, 2, 1, dim, 0}, precision);
    for (int group = 1; group <= 8; ++group) CheckPrefill({33, 0, 2 * group, 2, 32, 0}, precision);
    for (int rows : {1, 2, 47, 48, 49, 97})
      for (int first : {0, 1, 63, 64, 200}) CheckPrefill({rows, first, 3, 3, 48, 0}, precision);
    for (int window : {1, 2, 30, 64, 65, 1000})
      for (int first : {0, 130}) CheckPrefill({100, first, 2, 2, 32, window}, precision);
    for (float cap : {1.0f, 50.0f})
      for (int window : {0, 30}) CheckPrefill({100, 20, 4, 2, 40, window, cap}, precision);
  }
}

// Large logits: the running maximum must keep everything finite, in whatever order it grows.
QPKV_TEST(PrefillAttentionRange) {
  const int rows = 200, dim = 32;
  std::vector<float> q(rows * dim, 1.0f), k(rows * dim), v(rows * dim);
  for (int t = 0; t < rows; ++t)
    for (int i = 0; i < dim; ++i) {
      k[t * dim + i] = (t % 7 - 3) * 40.0f + t;
      v[t * dim + i] = static_cast<float>(t);
    }
  for (const Ops* ops : Tables())
    for (Precision precision : {Precision::kBf16, Precision::kF32}) {
      std::vector<float> want(rows * dim), got(rows * dim);
      for (auto* out : {&want, &got})
        (out == &want ? Reference() : *ops)
            .PrefillAttention(TestStream(), {q.data(), k.data(), v.data(), out->data(), nullptr,
                                             rows, 0, 1, 1, dim, dim, rows, 0, 1.0f, precision});
      ExpectNear(Label("%s range", ops->name), got.data(), want.data(), got.size(), 4e-3);
    }
}

}  // namespace
}  // namespace qpkv
