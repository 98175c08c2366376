// PackWeight and Matmul of every table against the reference: all exact formats and products, tails
// in every dimension. Coded formats: coded_weight_test.cc.
#include <algorithm>
#include <cstring>

#include "test/harness.h"

namespace qpkv {
namespace {

struct Source {
  std::vector<float> f32;
  std::vector<uint16_t> bf16, f16;

  explicit Source(std::vector<float> values)
      : f32(std::move(values)), bf16(ToBf16(f32)), f16(ToF16(f32)) {}
  const void* At(Element element, size_t i) const {
    if (element == Element::kF32) return f32.data() + i;
    return (element == Element::kBf16 ? bf16.data() : f16.data()) + i;
  }
};

constexpr Element kElements[] = {Element::kBf16, Element::kF16, Element::kF32};

QPKV_TEST(PackWeight) {
  Random random(11);
  for (int n : {1, 63, 64, 65, 200})
    for (int k : {1, 2, 31, 33, 96}) {
      const Source source(random.Normals(static_cast<size_t>(n) * k));
      for (Element from : kElements)
        for (Element to : kElements) {
          const size_t bytes = Reference().PackedWeightBytes(ExactWeights(to), n, k);
          std::vector<uint8_t> want(bytes, 0xaa), got(bytes, 0xaa);
          const int cut = n > 70 ? 70 : n;  // two sources, meeting inside a panel
          const auto pack = [&](const Ops& ops, std::vector<uint8_t>& out) {
            const PackedWeight weight{out.data(), ExactWeights(to), n, k};
            ops.PackWeight(TestStream(),
                           {OnHost<const void>(source.At(from, 0)), from, 0, cut, weight});
            if (cut < n)
              ops.PackWeight(TestStream(),
                             {OnHost<const void>(source.At(from, static_cast<size_t>(cut) * k)),
                              from, cut, n, weight});
          };
          pack(Reference(), want);
          for (const Ops* ops : Tables()) {
            pack(*ops, got);
            ExpectEqualBytes(Label("%s pack weight n %d k %d", ops->name, n, k), got.data(),
                             want.data(), bytes);
            Expect("size", ops->PackedWeightBytes(ExactWeights(to), n, k) == bytes);
          }
        }
    }
}

// Tensors begin anywhere in a file: the panels must be the same from every address.
QPKV_TEST(PackWeightFromAnyByte) {
  Random random(12);
  const int n = 70;
  for (int k : {2, 33, 64}) {
    const Source source(random.Normals(static_cast<size_t>(n) * k));
    for (Element from : kElements)
      for (Element to : kElements) {
        const size_t source_bytes = static_cast<size_t>(n) * k * (from == Element::kF32 ? 4 : 2);
        const size_t bytes = Reference().PackedWeightBytes(ExactWeights(to), n, k);
        std::vector<uint8_t> want(bytes, 0xaa), got(bytes, 0xaa);
        Reference().PackWeight(TestStream(), {OnHost<const void>(source.At(from, 0)),
                                              from,
                                              0,
                                              n,
                                              {want.data(), ExactWeights(to), n, k}});
        for (size_t shift : {1, 2, 3}) {
          std::vector<uint8_t> file(shift + source_bytes);  // ends with the tensor
          std::memcpy(file.data() + shift, source.At(from, 0), source_bytes);
          const auto check = [&](const Ops& ops) {
            std::fill(got.begin(), got.end(), 0xaa);
            ops.PackWeight(TestStream(), {OnHost<const void>(file.data() + shift),
                                          from,
                                          0,
                                          n,
                                          {got.data(), ExactWeights(to), n, k}});
            ExpectEqualBytes(Label("%s pack weight k %d at byte %zu", ops.name, k, shift),
                             got.data(), want.data(), bytes);
          };
          check(Reference());
          for (const Ops* ops : Tables()) check(*ops);
        }
      }
  }
}

void CheckMatmul(Element element, Products products, int m, int n, int k, bool bias,
                 bool accumulate) {
  if (!Sampled()) return;
  Random random(static_cast<uint64_t>(m * 1000003 + n * 1009 + k));
  const Source source(random.Normals(static_cast<size_t>(n) * k));
  std::vector<uint8_t> packed(Reference().PackedWeightBytes(ExactWeights(element), n, k) + 64);
  uint8_t* data = packed.data() + (64 - reinterpret_cast<uintptr_t>(packed.data()) % 64) % 64;
  const PackedWeight weight{data, ExactWeights(element), n, k};
  Reference().PackWeight(TestStream(),
                         {OnHost<const void>(source.f32.data()), Element::kF32, 0, n, weight});
  const std::vector<float> x = random.Normals(static_cast<size_t>(m) * k), b = random.Normals(n);
  const std::vector<float> before = random.Normals(static_cast<size_t>(m) * n);
  const auto multiply = [&](const Ops& ops, Stream& stream) {
    std::vector<float> out = before;
    ops.Matmul(stream,
               {x.data(), m, weight, bias ? b.data() : nullptr, out.data(), accumulate, products});
    return out;
  };
  const std::vector<float> want = multiply(Reference(), TestStream());
  for (const Ops* ops : Tables()) {
    const std::string label =
        Label("%s matmul element %d products %d m %d n %d k %d bias %d accumulate %d", ops->name,
              static_cast<int>(element), static_cast<int>(products), m, n, k, bias, accumulate);
    const std::vector<float> got = multiply(*ops, *Streams()[0]);
    // Factors are equal bit by bit; what differs is float32 summation.
    ExpectNear(label, got.data(), want.data(), got.size(), 3e-6);
    for (Stream* stream : Streams()) {
      const std::vector<float> again = multiply(*ops, *stream);
      ExpectEqualBytes(label + " threads", again.data(), got.data(), got.size() * 4);
    }
  }
}

QPKV_TEST(Matmul) {
  for (Element element : kElements)
    for (Products products : {Products::kShort, Products::kFloat, Products::kWords}) {
      for (int m : {1, 2, 5, 6, 7, 13, 50})
        for (int n : {1, 64, 130})
          for (int k : {1, 32, 47, 128})
            CheckMatmul(element, products, m, n, k, (m + n) % 2 == 0, (m + k) % 2 == 0);
      CheckMatmul(element, products, 20, 70, 1600, true, true);  // more than one depth block
      CheckMatmul(element, products, 775, 3, 521, false, true);  // more than one row chunk
      CheckMatmul(element, products, 130, 70, 45, true,
                  false);  // as many rows as another library gets
    }
}

// As many as a backend may hand to another library.
QPKV_TEST(MatmulManyRows) {
  for (Element element : kElements)
    for (Products products : {Products::kShort, Products::kFloat}) {
      CheckMatmul(element, products, 130, 70, 45, true, false);
      CheckMatmul(element, products, 200, 3, 96, false, true);
    }
}

// One row of many gives the same bits as alone: prefill in pieces equals prefill at once.
QPKV_TEST(MatmulRowsAlone) {
  Random random(12);
  const int m = 31, n = 96, k = 1500;
  const std::vector<float> source = random.Normals(static_cast<size_t>(n) * k),
                           x = random.Normals(static_cast<size_t>(m) * k);
  for (const Ops* ops : Tables())
    for (Element element : kElements)
      for (Products products : {Products::kShort, Products::kFloat, Products::kWords}) {
        std::vector<uint8_t> packed(ops->PackedWeightBytes(ExactWeights(element), n, k));
        const PackedWeight weight{packed.data(), ExactWeights(element), n, k};
        ops->PackWeight(TestStream(),
                        {OnHost<const void>(source.data()), Element::kF32, 0, n, weight});
        std::vector<float> all(static_cast<size_t>(m) * n), one(n);
        ops->Matmul(TestStream(), {x.data(), m, weight, nullptr, all.data(), false, products});
        for (int r : {0, 5, 30}) {
          ops->Matmul(TestStream(),
                      {x.data() + r * k, 1, weight, nullptr, one.data(), false, products});
          ExpectEqualBytes(Label("%s row %d", ops->name, r), one.data(), all.data() + r * n, n * 4);
        }
      }
}

}  // namespace
}  // namespace qpkv
