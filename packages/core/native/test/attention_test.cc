// PrefillAttention and ObserveAttention of every table against the reference.
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

void CheckObserve(const Shape& s, int tokens_after, ObserveMask mask, int block,
                  Precision precision, bool give_lse) {
  const Inputs in(s);
  const int tokens = s.first + s.rows - tokens_after;
  const int lse_stride = s.rows + 2;
  std::vector<float> lse(static_cast<size_t>(s.q_heads) * lse_stride);
  Random random(9);
  for (float& x : lse) x = 3.0f + random.Uniform();
  const auto observe = [&](const Ops& ops, Stream& stream) {
    std::vector<float> mass(static_cast<size_t>(s.q_heads) * tokens, 0.25f);
    ops.ObserveAttention(stream, {in.q.data(), in.k.data(), give_lse ? lse.data() : nullptr,
                                  mass.data(), s.rows, s.first, tokens, s.q_heads, s.kv_heads,
                                  s.dim, in.q_stride, lse_stride, in.capacity, s.window, block,
                                  1.0f / std::sqrt(1.0f * s.dim), mask, precision, s.cap});
    return mass;
  };
  const std::vector<float> want = observe(Reference(), TestStream());
  for (const Ops* ops : Tables()) {
    const std::string label = Label(
        "%s observe precision %d rows %d first %d heads %d/%d dim %d window %d mask %d lse %d",
        ops->name, static_cast<int>(precision), s.rows, s.first, s.q_heads, s.kv_heads, s.dim,
        s.window, static_cast<int>(mask), give_lse);
    const std::vector<float> got = observe(*ops, *Streams()[0]);
    ExpectNear(label, got.data(), want.data(), got.size(),
               precision == Precision::kBf16 ? 8e-6 : 3e-6);
    for (Stream* stream : Streams()) {
      const std::vector<float> again = observe(*ops, *stream);
      ExpectEqualBytes(label + " threads", again.data(), got.data(), got.size() * 4);
    }
  }
}

QPKV_TEST(ObserveAttention) {
  for (Precision precision : {Precision::kBf16, Precision::kF32})
    for (bool give_lse : {false, true}) {
      for (int dim : {4, 6, 10, 20, 32, 40, 48, 64, 72, 80, 96, 100, 128, 256})
        CheckObserve({16, 100, 2, 1, dim, 0}, 0, ObserveMask::kCausal, 0, precision, give_lse);
      for (int group = 1; group <= 8; ++group)
        CheckObserve({8, 60, 2 * group, 2, 32, 0}, 0, ObserveMask::kCausal, 0, precision, give_lse);
      for (int rows : {1, 47, 48, 49, 130, 600})
        for (int window : {0, 1, 50}) {
          CheckObserve({rows, 0, 2, 1, 32, window}, 0, ObserveMask::kCausal, 0, precision,
                       give_lse);
          CheckObserve({rows, 70, 2, 1, 32, window}, 0, ObserveMask::kCausal, 0, precision,
                       give_lse);
        }
      for (float cap : {1.0f, 50.0f})
        CheckObserve({130, 20, 4, 2, 40, 30, cap}, 0, ObserveMask::kCausal, 0, precision, give_lse);
      for (int block : {1, 8, 32, 300})
        CheckObserve({150, 0, 2, 1, 32, 0}, 0, ObserveMask::kWindowBlock, block, precision,
                     give_lse);
    }
}

// Mass of all queries under their own log-sum-exp adds up to the number of queries.
QPKV_TEST(ObserveAttentionSums) {
  const Shape s{180, 0, 2, 1, 64, 0};
  const Inputs in(s);
  for (const Ops* ops : Tables())
    for (Precision precision : {Precision::kBf16, Precision::kF32}) {
      std::vector<float> mass(static_cast<size_t>(s.q_heads) * s.rows, 0.0f);
      ops->ObserveAttention(TestStream(), {in.q.data(), in.k.data(), nullptr, mass.data(), s.rows,
                                           0, s.rows, 2, 1, 64, in.q_stride, 0, in.capacity, 0, 0,
                                           0.125f, ObserveMask::kCausal, precision});
      for (int head = 0; head < 2; ++head) {
        double sum = 0;
        for (int t = 0; t < s.rows; ++t) sum += mass[head * s.rows + t];
        Expect(Label("%s sum %g", ops->name, sum), std::fabs(sum - s.rows) < 1e-3);
      }
    }
}

}  // namespace
}  // namespace qpkv
