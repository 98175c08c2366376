// LoadFloats, Embed, RmsNorm, Scale, Rope, Glu and StoreHeads of every table against the
// reference.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "test/harness.h"

namespace qpkv {
namespace {

const int kDims[] = {1, 8, 15, 16, 17, 40, 64, 100, 128, 257};

QPKV_TEST(Embed) {
  Random random(1);
  for (int dim : kDims) {
    const int vocab = 37, rows = 9;
    const std::vector<float> table = random.Normals(static_cast<size_t>(vocab) * dim);
    std::vector<int32_t> ids;
    for (int i = 0; i < rows; ++i) ids.push_back(i == 0 ? vocab - 1 : random.Below(vocab));
    WeightFormat int8, int4;
    int8.bits = 8, int4.bits = 4;
    for (const WeightFormat& format : {ExactWeights(Element::kBf16), ExactWeights(Element::kF16),
                                       ExactWeights(Element::kF32), int8, int4}) {
      std::vector<uint8_t> packed(Reference().PackedWeightBytes(format, vocab, dim));
      const PackedWeight weight{packed.data(), format, vocab, dim};
      Reference().PackWeight(TestStream(),
                             {OnHost<const void>(table.data()), Element::kF32, 0, vocab, weight});
      std::vector<float> want(static_cast<size_t>(rows) * dim), got(want.size());
      Reference().Embed(TestStream(), {weight, ids.data(), rows, want.data()});
      if (format == ExactWeights(Element::kF32))
        ExpectEqualBytes("floats stay", want.data(),
                         table.data() + static_cast<size_t>(vocab - 1) * dim, dim * 4);
      for (const Ops* ops : Tables()) {
        ops->Embed(TestStream(), {weight, ids.data(), rows, got.data()});
        ExpectEqualBytes(Label("%s embed dim %d", ops->name, dim), got.data(), want.data(),
                         got.size() * 4);
      }
    }
  }
}

// Tensors begin anywhere in a file: a vector must be the same from every address.
QPKV_TEST(LoadFloatsFromAnyByte) {
  Random random(3);
  for (int dim : kDims) {
    const std::vector<float> vector = random.Normals(static_cast<size_t>(dim));
    const std::vector<uint16_t> bf16 = ToBf16(vector), f16 = ToF16(vector);
    for (Element element : {Element::kBf16, Element::kF16, Element::kF32}) {
      const void* data = element == Element::kF32    ? static_cast<const void*>(vector.data())
                         : element == Element::kBf16 ? static_cast<const void*>(bf16.data())
                                                     : static_cast<const void*>(f16.data());
      const size_t bytes = vector.size() * (element == Element::kF32 ? 4 : 2);
      std::vector<float> want(vector.size()), got(want.size());
      Reference().LoadFloats(TestStream(), {OnHost(data), element, dim, want.data()});
      if (element == Element::kF32)
        ExpectEqualBytes("floats stay", want.data(), vector.data(), bytes);
      for (size_t shift : {0, 1, 2, 3}) {
        std::vector<uint8_t> file(shift + bytes);  // ends with the tensor
        std::memcpy(file.data() + shift, data, bytes);
        const Host<const void> source = OnHost<const void>(file.data() + shift);
        const auto check = [&](const Ops& ops) {
          std::fill(got.begin(), got.end(), NAN);
          ops.LoadFloats(TestStream(), {source, element, dim, got.data()});
          ExpectEqualBytes(Label("%s load floats %d at byte %zu", ops.name, dim, shift), got.data(),
                           want.data(), got.size() * sizeof(float));
        };
        check(Reference());
        for (const Ops* ops : Tables()) check(*ops);
      }
    }
  }
}

QPKV_TEST(RmsNorm) {
  Random random(2);
  for (int dim : kDims)
    for (int rows : {1, 3, 33})
      for (int stride : {dim, dim + 5})
        for (float offset : {0.0f, 1.0f}) {
          std::vector<float> x = random.Normals(static_cast<size_t>(rows) * stride, 3.0f);
          const std::vector<float> weight = random.Normals(dim);
          std::vector<float> want = x;
          Reference().RmsNorm(TestStream(), {want.data(), weight.data(), want.data(), rows, dim,
                                             stride, 1e-6f, offset});
          for (const Ops* ops : Tables()) {
            std::vector<float> got = x;  // in place; what lies between the rows stays
            ops->RmsNorm(TestStream(),
                         {got.data(), weight.data(), got.data(), rows, dim, stride, 1e-6f, offset});
            ExpectNear(Label("%s rms norm dim %d rows %d", ops->name, dim, rows), got.data(),
                       want.data(), got.size(), 2e-6);
          }
          const std::vector<float> sum = random.Normals(x.size());
          std::vector<float> added = sum;
          Reference().RmsNorm(TestStream(), {x.data(), weight.data(), added.data(), rows, dim,
                                             stride, 1e-6f, offset, true});
          for (const Ops* ops : Tables()) {
            std::vector<float> got = sum;
            ops->RmsNorm(TestStream(), {x.data(), weight.data(), got.data(), rows, dim, stride,
                                        1e-6f, offset, true});
            ExpectNear(Label("%s rms norm added dim %d rows %d", ops->name, dim, rows), got.data(),
                       added.data(), got.size(), 2e-6);
          }
        }
}

// Heads of a row, each with its own norm, in one call: as one call per head.
QPKV_TEST(RmsNormOfHeads) {
  Random random(4);
  for (int dim : {4, 6, 40, 64, 100})
    for (int groups : {1, 3, 8})
      for (int rows : {1, 5, 33}) {
        const int stride = groups * dim + 7;
        const std::vector<float> x = random.Normals(static_cast<size_t>(rows) * stride, 2.0f);
        const std::vector<float> weight = random.Normals(dim);
        std::vector<float> want = x;
        for (int group = 0; group < groups; ++group) {
          float* head = want.data() + group * dim;
          Reference().RmsNorm(TestStream(),
                              {head, weight.data(), head, rows, dim, stride, 1e-6f, 1.0f});
        }
        const auto check = [&](const Ops& ops) {
          std::vector<float> got = x;  // in place; what lies between the rows stays
          ops.RmsNorm(TestStream(), {got.data(), weight.data(), got.data(), rows, dim, stride,
                                     1e-6f, 1.0f, false, groups});
          ExpectNear(Label("%s rms norm of %d heads dim %d rows %d", ops.name, groups, dim, rows),
                     got.data(), want.data(), got.size(), 2e-6);
        };
        check(Reference());
        for (const Ops* ops : Tables()) check(*ops);
      }
}

QPKV_TEST(Scale) {
  Random random(8);
  for (size_t count : {1, 15, 16, 17, 257, 20001})
    for (float cap : {0.0f, 30.0f, 2.0f})
      for (bool accumulate : {false, true}) {
        std::vector<float> x = random.Normals(count, 10.0f);
        x[0] = 1e4f;  // far out on both sides
        x[count - 1] = -1e4f;
        const std::vector<float> sum = random.Normals(count);
        std::vector<float> want = sum;
        Reference().Scale(TestStream(), {x.data(), want.data(), count, 0.73f, cap, accumulate});
        for (const Ops* ops : Tables()) {
          std::vector<float> got = sum;
          ops->Scale(TestStream(), {x.data(), got.data(), count, 0.73f, cap, accumulate});
          ExpectNear(Label("%s scale count %zu cap %g", ops->name, count, static_cast<double>(cap)),
                     got.data(), want.data(), got.size(), 1e-6);
        }
      }
}

QPKV_TEST(Rope) {
  Random random(3);
  for (int dim : {4, 6, 8, 10, 20, 32, 40, 48, 64, 72, 80, 96, 100, 128, 256})
    for (int rows : {1, 7, 20})
      for (int rotary_dim : {dim, dim / 4 * 2, 2}) {
        const int heads = 3, stride = heads * dim + 4;
        std::vector<float> inv_freq;
        for (int i = 0; i < rotary_dim / 2; ++i)
          inv_freq.push_back(std::pow(10000.0f, -2.0f * i / rotary_dim));
        std::vector<int32_t> positions;
        for (int r = 0; r < rows; ++r)
          positions.push_back(r == rows - 1 ? 131071 : random.Below(40000));
        const std::vector<float> x = random.Normals(static_cast<size_t>(rows) * stride);
        std::vector<float> want = x;
        Reference().Rope(TestStream(), {want.data(), positions.data(), inv_freq.data(), 1.25f, rows,
                                        heads, dim, stride, rotary_dim});
        for (const Ops* ops : Tables()) {
          std::vector<float> got = x;
          ops->Rope(TestStream(), {got.data(), positions.data(), inv_freq.data(), 1.25f, rows,
                                   heads, dim, stride, rotary_dim});
          ExpectNear(
              Label("%s rope dim %d rows %d rotary_dim %d", ops->name, dim, rows, rotary_dim),
              got.data(), want.data(), got.size(), 1e-6);
        }
      }
}

QPKV_TEST(Glu) {
  Random random(4);
  for (Activation activation : {Activation::kSilu, Activation::kGeluTanh})
    for (int dim : kDims)
      for (int rows : {1, 9}) {
        std::vector<float> x = random.Normals(static_cast<size_t>(rows) * 2 * dim, 4.0f);
        x[0] = 120.0f;  // far out on both sides
        x[static_cast<size_t>(rows - 1) * 2 * dim] = -120.0f;
        std::vector<float> want(static_cast<size_t>(rows) * dim), got(want.size());
        Reference().Glu(TestStream(), {x.data(), want.data(), rows, dim, activation});
        for (const Ops* ops : Tables()) {
          ops->Glu(TestStream(), {x.data(), got.data(), rows, dim, activation});
          ExpectNear(Label("%s glu %d dim %d", ops->name, static_cast<int>(activation), dim),
                     got.data(), want.data(), got.size(), 1e-6);
        }
      }
}

QPKV_TEST(StoreHeads) {
  Random random(5);
  const int heads = 3, dim = 24, rows = 70, capacity = 100, first = 30, stride = heads * dim + 8;
  const std::vector<float> x = random.Normals(static_cast<size_t>(rows) * stride);
  std::vector<float> want(static_cast<size_t>(heads) * capacity * dim, -1.0f);
  Reference().StoreHeads(TestStream(),
                         {x.data(), want.data(), rows, heads, dim, stride, capacity, first});
  for (const Ops* ops : Tables()) {
    std::vector<float> got(want.size(), -1.0f);
    ops->StoreHeads(TestStream(),
                    {x.data(), got.data(), rows, heads, dim, stride, capacity, first});
    ExpectEqualBytes(Label("%s store heads", ops->name), got.data(), want.data(), got.size() * 4);
  }
}

}  // namespace
}  // namespace qpkv
