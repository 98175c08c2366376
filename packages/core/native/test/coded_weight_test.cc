// Coded weights of every table: packing against an exhaustive search, a file's own codes bit for
// bit, products against the reference, tails in every dimension.
#include "reference/coded_weight.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/f16.h"
#include "test/harness.h"

namespace qpkv {
namespace {

WeightFormat Coded(int bits, int group = 32, Element scale = Element::kF16,
                   WeightMinimum minimum = WeightMinimum::kNone) {
  WeightFormat format;
  format.bits = bits;
  format.group = group;
  format.scale = scale;
  format.minimum = minimum;
  return format;
}

const WeightFormat kFormats[] = {
    Coded(8),
    Coded(4),
    Coded(4, 32, Element::kF16, WeightMinimum::kF16),
    Coded(5),
    Coded(5, 32, Element::kF16, WeightMinimum::kF16),
    Coded(6, 16, Element::kF32),
    Coded(4, 32, Element::kF32, WeightMinimum::kF32),
    Coded(5, 32, Element::kF32, WeightMinimum::kF32),
    Coded(4, 16, Element::kF32, WeightMinimum::kF16),
    Coded(6, 16, Element::kF32, WeightMinimum::kF32),
};

// 64-byte aligned, as ops.Allocate gives it.
struct Packed {
  std::vector<uint8_t> bytes;
  PackedWeight weight;

  Packed(const WeightFormat& format, int n, int k)
      : bytes(Reference().PackedWeightBytes(format, n, k) + 64, 0xaa) {
    uint8_t* data = bytes.data() + (64 - reinterpret_cast<uintptr_t>(bytes.data()) % 64) % 64;
    weight = {data, format, n, k};
  }
  size_t size() const { return Reference().PackedWeightBytes(weight.format, weight.n, weight.k); }
};

std::string FormatLabel(const WeightFormat& f) {
  return Label("%d bits, group %d, scale %d, minimum %d", f.bits, f.group,
               static_cast<int>(f.scale), static_cast<int>(f.minimum));
}

// A file's own codes, scales and minima for a format.
struct GivenCodes {
  std::vector<uint8_t> codes;
  std::vector<float> scales, minima;
  std::vector<uint16_t> half_scales, half_minima;

  GivenCodes(const WeightFormat& format, int n, int k, Random* random) {
    const size_t groups = n * DivideUp(k, format.group);
    for (size_t i = 0; i < groups * format.group; ++i)
      codes.push_back(static_cast<uint8_t>(random->Below(1 << format.bits)));
    scales = random->Normals(groups, 0.02f);
    minima = random->Normals(groups, 0.1f);
    half_scales = ToF16(scales), half_minima = ToF16(minima);
  }
  PackWeightArgs Args(const PackedWeight& out, int begin, int end) const {
    const size_t groups = DivideUp(out.k, out.format.group), first = begin * groups;
    PackWeightArgs args{{}, Element::kF32, begin, end, out};
    args.codes = OnHost(codes.data() + first * out.format.group);
    args.scales = OnHost(out.format.scale == Element::kF16
                             ? static_cast<const void*>(half_scales.data() + first)
                             : scales.data() + first);
    if (out.format.minimum != WeightMinimum::kNone)
      args.minima = OnHost(out.format.minimum == WeightMinimum::kF16
                               ? static_cast<const void*>(half_minima.data() + first)
                               : minima.data() + first);
    return args;
  }
};

QPKV_TEST(CodedWeightsOfAFile) {
  Random random(21);
  for (const WeightFormat& format : kFormats)
    for (int n : {1, 64, 70, 130})
      for (int k : {32, 96, 49}) {
        const GivenCodes given(format, n, k, &random);
        Packed want(format, n, k), got(format, n, k);
        const auto pack = [&](const Ops& ops, const Packed& out) {
          const int cut = n > 66 ? 66 : n;  // two sources, meeting inside a panel
          ops.PackWeight(TestStream(), given.Args(out.weight, 0, cut));
          if (cut < n) ops.PackWeight(TestStream(), given.Args(out.weight, cut, n));
        };
        pack(Reference(), want);
        // The codes and scales come out as they went in.
        const size_t groups = DivideUp(k, format.group);
        for (int row = 0; row < n; ++row)
          for (int column = 0; column < k; column += 7) {
            const size_t cell = row * groups + column / format.group;
            const int code = given.codes[cell * format.group + column % format.group];
            const double scale = format.scale == Element::kF16 ? F16ToFloat(given.half_scales[cell])
                                                               : given.scales[cell];
            const bool none = format.minimum == WeightMinimum::kNone;
            const double minimum = none ? 0
                                   : format.minimum == WeightMinimum::kF16
                                       ? F16ToFloat(given.half_minima[cell])
                                       : given.minima[cell];
            const double value = (code - (none ? 1 << (format.bits - 1) : 0)) * scale + minimum;
            Expect(FormatLabel(format) + " value",
                   reference::CodedWeight(want.weight, row, column) == value);
          }
        for (const Ops* ops : Tables()) {
          std::fill(got.bytes.begin(), got.bytes.end(), 0x55);
          pack(*ops, got);
          ExpectEqualBytes(Label("%s, %s n %d k %d", ops->name, FormatLabel(format).c_str(), n, k),
                           got.weight.data, want.weight.data, want.size());
        }
      }
}

double SquaredError(const PackedWeight& w, const std::vector<float>& x, int row, int column) {
  double sum = 0;
  for (int i = column; i < column + w.format.group && i < w.k; ++i)
    sum += std::pow(reference::CodedWeight(w, row, i) - x[static_cast<size_t>(row) * w.k + i], 2);
  return sum;
}

// Rounding to nothing but the extreme's scale, as GGUF's own writers do.
double PlainError(const WeightFormat& format, const std::vector<float>& x, size_t begin,
                  size_t end) {
  float extreme = 0;
  for (size_t i = begin; i < end; ++i)
    if (std::fabs(x[i]) > std::fabs(extreme)) extreme = x[i];
  const double zero = 1 << (format.bits - 1),
               scale = F16ToFloat(FloatToF16(extreme / static_cast<float>(-zero)));
  double sum = 0;
  for (size_t i = begin; i < end; ++i) {
    const double code = std::fmin(zero - 1, std::fmax(-zero, std::nearbyint(x[i] / scale)));
    sum += std::pow(code * scale - x[i], 2);
  }
  return sum;
}

QPKV_TEST(CodedWeightsRounded) {
  Random random(22);
  for (const WeightFormat& format : {Coded(8), Coded(4), Coded(6, 16, Element::kF32)})
    for (int n : {3, 64, 70})
      for (int k : {32, 80, 77}) {
        const std::vector<float> x = random.Normals(static_cast<size_t>(n) * k, 0.03f);
        const std::vector<uint16_t> bf16 = ToBf16(x);
        std::vector<float> rounded;
        for (uint16_t bits : bf16)
          rounded.push_back(reference::ReadElement(&bits, Element::kBf16, 0));
        Packed want(format, n, k), first(format, n, k), got(format, n, k);
        Reference().PackWeight(
            TestStream(), {OnHost<const void>(bf16.data()), Element::kBf16, 0, n, want.weight});
        for (const Ops* ops : Tables()) {
          const std::string label =
              Label("%s rounds to %s, n %d k %d", ops->name, FormatLabel(format).c_str(), n, k);
          Packed& out = ops == Tables()[0] ? first : got;
          ops->PackWeight(TestStream(),
                          {OnHost<const void>(bf16.data()), Element::kBf16, 0, n, out.weight});
          ExpectEqualBytes(label, out.weight.data, first.weight.data, first.size());
          double plain = 0, error = 0, best = 0;
          for (int row = 0; row < n; ++row)
            for (int column = 0; column < k; column += format.group) {
              const size_t begin = static_cast<size_t>(row) * k + column;
              const int count = std::min(format.group, k - column);
              plain += PlainError(format, rounded, begin, begin + count);
              error += SquaredError(out.weight, rounded, row, column);
              best += SquaredError(want.weight, rounded, row, column);
            }
          // A finer search finds little more; the extreme's own scale is clearly worse at 4 bits.
          Expect(label + Label(": error %g against %g", error, best), error <= 1.05 * best);
          if (format.bits == 4 && n == 64)
            Expect(label + Label(": error %g against plain %g", error, plain), error < 0.9 * plain);
        }
      }
}

// Zeros, tiny and huge values, infinities: finite where the source is finite, NaN where it is not.
QPKV_TEST(CodedWeightsAtTheEdges) {
  const float rows[][3] = {
      {0, 0, 0},        {1e-42f, -1e-42f, 0}, {1e-7f, 2e-7f, -1e-8f}, {3e38f, -1e30f, 1},
      {INFINITY, 1, 2}, {NAN, 0, 0},          {1, -INFINITY, NAN},    {-8, 7, 1}};
  for (const WeightFormat& format : {Coded(8), Coded(4), Coded(4, 16, Element::kF32)}) {
    std::vector<float> source;
    for (const auto& row : rows)
      for (int i = 0; i < 32; ++i) source.push_back(row[i % 3]);
    const int n = static_cast<int>(source.size() / 32);
    Packed want(format, n, 32), got(format, n, 32);
    Reference().PackWeight(TestStream(),
                           {OnHost<const void>(source.data()), Element::kF32, 0, n, want.weight});
    for (const Ops* ops : Tables()) {
      ops->PackWeight(TestStream(),
                      {OnHost<const void>(source.data()), Element::kF32, 0, n, got.weight});
      for (int row = 0; row < n; ++row)
        for (int column = 0; column < 32; ++column) {
          const double value = reference::CodedWeight(got.weight, row, column);
          const bool finite = std::isfinite(rows[row][0]) && std::isfinite(rows[row][1]);
          Expect(Label("%s %s row %d column %d: %g", ops->name, FormatLabel(format).c_str(), row,
                       column, value),
                 finite ? std::isfinite(value) &&
                              std::fabs(value - source[static_cast<size_t>(row) * 32 + column]) <=
                                  (row == 3 && format.scale == Element::kF16
                                       ? 3.1e38
                                       : 0.6 / 8 * std::fabs(rows[row][0]) + 1e-6)
                        : std::isnan(value));
        }
    }
  }
}

void CheckProduct(const WeightFormat& format, Products products, int m, int n, int k, bool bias,
                  bool accumulate) {
  if (!Sampled()) return;
  Random random(static_cast<uint64_t>(m * 1000003 + n * 1009 + k));
  const GivenCodes given(format, n, k, &random);
  const Packed packed(format, n, k);
  Reference().PackWeight(TestStream(), given.Args(packed.weight, 0, n));
  std::vector<float> x = random.Normals(static_cast<size_t>(m) * k);
  for (size_t i = 0; i < x.size(); i += 37) x[i] *= 100;  // activations have outliers
  const std::vector<float> b = random.Normals(static_cast<size_t>(n));
  const std::vector<float> before = random.Normals(static_cast<size_t>(m) * n);
  const auto multiply = [&](const Ops& ops, Stream& stream) {
    std::vector<float> out = before;
    ops.Matmul(stream, {x.data(), m, packed.weight, bias ? b.data() : nullptr, out.data(),
                        accumulate, products});
    return out;
  };
  const std::vector<float> want = multiply(Reference(), TestStream());
  for (const Ops* ops : Tables()) {
    const std::string label =
        Label("%s matmul %s products %d m %d n %d k %d bias %d accumulate %d", ops->name,
              FormatLabel(format).c_str(), static_cast<int>(products), m, n, k, bias, accumulate);
    const std::vector<float> got = multiply(*ops, *Streams()[0]);
    // Factors are equal bit by bit; what differs is float32 summation.
    ExpectNear(label, got.data(), want.data(), got.size(), 3e-6);
    for (Stream* stream : Streams()) {
      const std::vector<float> again = multiply(*ops, *stream);
      ExpectEqualBytes(label + " threads", again.data(), got.data(), got.size() * 4);
    }
  }
}

constexpr Products kProducts[] = {Products::kFloat, Products::kWords, Products::kShort};

QPKV_TEST(MatmulCoded) {
  for (const WeightFormat& format : kFormats)
    for (Products products : kProducts) {
      for (int m : {1, 2, 5, 13})
        for (int n : {1, 64, 130})
          for (int k : {1, 32, 47, 160})
            CheckProduct(format, products, m, n, k, (m + n) % 2 == 0, (m + k) % 2 == 0);
      CheckProduct(format, products, 53, 70, 1600, true, true);  // more than one unpacked block
    }
  for (Products products : kProducts)
    CheckProduct(Coded(4), products, 775, 3, 545, false, true);  // more than one row chunk
}

// One row of many gives the same bits as alone.
QPKV_TEST(MatmulCodedRowsAlone) {
  Random random(23);
  const int m = 55, n = 96, k = 1500;
  const std::vector<float> x = random.Normals(static_cast<size_t>(m) * k);
  for (const Ops* ops : Tables())
    for (const WeightFormat& format : kFormats)
      for (Products products : kProducts) {
        const GivenCodes given(format, n, k, &random);
        const Packed packed(format, n, k);
        ops->PackWeight(TestStream(), given.Args(packed.weight, 0, n));
        std::vector<float> all(static_cast<size_t>(m) * n), one(n);
        ops->Matmul(TestStream(),
                    {x.data(), m, packed.weight, nullptr, all.data(), false, products});
        for (int r : {0, 5, 54}) {
          ops->Matmul(TestStream(), {x.data() + static_cast<size_t>(r) * k, 1, packed.weight,
                                     nullptr, one.data(), false, products});
          ExpectEqualBytes(Label("%s %s row %d", ops->name, FormatLabel(format).c_str(), r),
                           one.data(), all.data() + static_cast<size_t>(r) * n, n * 4);
        }
      }
}

// Words are at least ten times as exact as rounding to bf16, bytes within a hundredth of the
// product, and a value that is no number stays one in its row alone.
QPKV_TEST(MatmulRounded) {
  Random random(24);
  const int m = 3, n = 64, k = 512;
  const std::vector<float> source = random.Normals(static_cast<size_t>(n) * k);
  std::vector<float> x = random.Normals(static_cast<size_t>(m) * k);
  for (const Ops* ops : Tables()) {
    const Packed coded(Coded(8), n, k), exact(ExactWeights(Element::kBf16), n, k);
    for (const Packed* packed : {&coded, &exact})
      ops->PackWeight(TestStream(),
                      {OnHost<const void>(source.data()), Element::kF32, 0, n, packed->weight});
    const auto multiply = [&](const Packed& packed, Products products) {
      std::vector<float> out(static_cast<size_t>(m) * n);
      ops->Matmul(TestStream(), {x.data(), m, packed.weight, nullptr, out.data(), false, products});
      return out;
    };
    const auto distance = [](const std::vector<float>& a, const std::vector<float>& b) {
      double sum = 0;
      for (size_t i = 0; i < a.size(); ++i) sum += std::pow(a[i] - b[i], 2);
      return std::sqrt(sum);
    };
    const double words =
        distance(multiply(coded, Products::kWords), multiply(coded, Products::kFloat));
    const double bf16 =
        distance(multiply(exact, Products::kShort), multiply(exact, Products::kFloat));
    Expect(Label("%s words %g, bf16 %g", ops->name, words, bf16), words * 10 < bf16);
    const std::vector<float> full = multiply(coded, Products::kFloat);
    const double bytes = distance(multiply(coded, Products::kShort), full),
                 size = distance(full, std::vector<float>(full.size()));
    Expect(Label("%s bytes %g of %g", ops->name, bytes, size), bytes > 0 && bytes < 0.01 * size);
    for (Products products : {Products::kWords, Products::kShort})
      for (float bad : {NAN, INFINITY}) {
        x[k + 40] = bad;
        const std::vector<float> out = multiply(coded, products);
        for (int i = 0; i < m * n; ++i)
          Expect(Label("%s row %d with %g", ops->name, i / n, bad),
                 std::isnan(out[static_cast<size_t>(i)]) == (i / n == 1));
        x[k + 40] = 0;
      }
  }
}

}  // namespace
}  // namespace qpkv
