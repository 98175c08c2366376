// Pack of every table writes the same bytes as the reference, whole and piecewise.
#include <cmath>
#include <cstring>
#include <functional>

#include "reference/proximal.h"
#include "test/harness.h"
#include "test/tile_cases.h"

namespace qpkv {
namespace {

using namespace tile_cases;

// Sum of the squared differences between what a part reads as and x.
double ErrorOf(const PackedTokens& packed, int dim, const std::vector<float>& x) {
  std::vector<float> values(x.size());
  UnpackOne(Reference(), TestStream(), ReaderOf(packed.parts[0], values.data()), dim);
  double error = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double away = std::fabs(static_cast<double>(values[i]) - x[i]);
    error += away * away;
  }
  return error;
}

// Steps of a balance that are nearly as good as another give other codes, as near to the values.
void ExpectAsGood(const std::string& label, double got, double want) {
  Expect(label + Label(": error %g, reference %g", got, want),
         std::fabs(got - want) <= 0.02 * want + 1e-9);
}

// What a part holds: [tokens, dim] codes and [scale_rows, columns] offsets.
struct Cells {
  std::vector<uint8_t> codes;
  std::vector<float> values, offsets;
};

Cells CellsOf(const PackedTokens& packed, int dim) {
  const size_t count = static_cast<size_t>(packed.tokens) * dim;
  Cells cells{std::vector<uint8_t>(count), std::vector<float>(count),
              std::vector<float>(static_cast<size_t>(kTileTokens) * dim)};
  UnpackItem item = ReaderOf(packed.parts[0], cells.values.data());
  item.codes = cells.codes.data();
  item.offsets = cells.offsets.data();
  UnpackOne(Reference(), TestStream(), item, dim);
  return cells;
}

bool IsProximal(const TensorFormat& format) {
  return format.solver == Solver::kProximalGrowing || format.solver == Solver::kProximalConstant;
}

// Groups whose offsets differ by more than float32 sums in another order may, and codes that differ
// elsewhere.
struct Difference {
  size_t offsets = 0, codes = 0;
};

Difference Compare(const Cells& a, const Cells& b) {
  Difference differ;
  for (size_t i = 0; i < a.offsets.size(); ++i)
    differ.offsets +=
        !(std::fabs(a.offsets[i] - b.offsets[i]) <= 1e-5f * (1 + std::fabs(b.offsets[i])));
  for (size_t i = 0; i < a.codes.size(); ++i) differ.codes += a.codes[i] != b.codes[i];
  return differ;
}

// The proximal solver sums in float32 and in another order than the reference, which has two
// consequences and no third:
//  - it may stop at another step, but only at one whose error equals that of the step before to
//    1e-6, so that the stop test is a tie;
//  - a value that lies on the border between two codes may fall to the other side and move the
//    offset of its group: one in 2,000 at most, and none in parts of fewer than 500 values.
// All else agrees: there is a step at which the reference has the same offsets and codes.
void ExpectSameSteps(const std::string& label, const Cells& got, int dim,
                     const std::function<PackedTokens()>& pack) {
  reference::ProximalProbe probe{reference::kProximalSteps, {}};
  reference::proximal_probe = &probe;
  pack();
  const std::vector<double> errors = probe.errors;
  const auto tie = [&](size_t i) {
    return std::fabs(errors[i] - errors[i - 1]) <= 1e-6 * errors[i];
  };
  std::string nearest = "none";
  bool same = false;
  for (size_t step = 1; step <= errors.size() && !same; ++step) {
    // Steps count from 1; the solver is left after the first whose error is no smaller.
    const bool last = step == errors.size() ||
                      (step > 1 && (errors[step - 1] >= errors[step - 2] || tie(step - 1)));
    if (last) {
      probe = {static_cast<int>(step), {}};
      const Difference differ = Compare(got, CellsOf(pack(), dim));
      const size_t allowed = got.codes.size() < 500 ? 0 : got.codes.size() / 2000;
      same = differ.offsets <= allowed && differ.codes <= allowed;
      nearest = Label("%zu offsets and %zu codes of %zu differ at step %zu", differ.offsets,
                      differ.codes, got.codes.size(), step);
    }
    if (step > 1 && errors[step - 1] >= errors[step - 2] && !tie(step - 1)) break;
  }
  reference::proximal_probe = nullptr;
  Expect(label + ": " + nearest, same);
}

QPKV_TEST(PackEqualsReference) {
  PartNeeds needs;
  needs.positions = needs.mask = true;
  for (int dim : HeadDims())
    for (int tokens : {128, 70, 1})
      for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
        for (const TensorFormat& format : Formats(dim)) {
          if (!Sampled()) continue;
          std::vector<float> x = RandomTokens(tokens + dim, tokens, dim);
          for (int t = 0; t < tokens; ++t) x[t * dim + 5 % dim] = 2.5f;  // a constant channel
          if (tokens > 3)
            std::fill(x.begin() + 3 * dim, x.begin() + 4 * dim, -0.75f);  // and a constant token
          std::vector<int32_t> positions(tokens);
          for (int t = 0; t < tokens; ++t) positions[t] = 7 * t + 3;
          const auto pack = [&](const Ops& ops) {
            return PackTokens(ops, TestStream(), tensor, {{format, tokens}}, dim, x, needs,
                              positions.data());
          };
          const PackedTokens want = pack(Reference());
          const size_t bytes = LayoutOf(tensor, format, tokens, dim, needs).bytes;
          for (const Ops* ops : Tables()) {
            const PackedTokens got = pack(*ops);
            const std::string label = Label("%s %s dim %d tokens %d %s", ops->name,
                                            tensor == Tensor::kKey ? "key" : "value", dim, tokens,
                                            NameOf(format).c_str());
            if (format.balance_steps > 0)
              ExpectAsGood(label, ErrorOf(got, dim, x), ErrorOf(want, dim, x));
            else if (IsProximal(format))
              ExpectSameSteps(label, CellsOf(got, dim), dim, [&] { return pack(Reference()); });
            else
              ExpectEqualBytes(label, got.data[0].get(), want.data[0].get(), bytes);
          }
        }
}

// Tokens and channels of the values kept exactly, and what the whole part reads back.
struct Stored {
  std::vector<int> cells;  // token * dim + channel
  std::vector<float> values;
};

Stored ReadStored(const Ops& ops, Tensor tensor, const TensorFormat& format, int tokens, int dim,
                  const std::vector<float>& x) {
  const PackedTokens packed = PackTokens(ops, TestStream(), tensor, {{format, tokens}}, dim, x);
  const PartLayout at = LayoutOf(tensor, format, tokens, dim);
  const uint8_t* section = packed.data[0].get() + at.outliers;
  uint32_t count;
  std::memcpy(&count, section, 4);
  Stored stored{{}, std::vector<float>(x.size())};
  for (uint32_t i = 0; i < count; ++i)
    stored.cells.push_back(section[4 + 4 * i] * dim + section[5 + 4 * i]);
  UnpackOne(ops, TestStream(), ReaderOf(packed.parts[0], stored.values.data()), dim);
  return stored;
}

// The rule kBeyond by hand: strictly beyond, the largest first, ties to the earlier token and then
// the lower channel; what is taken counts as 0 in its group, what finds no room is coded.
QPKV_TEST(PackBeyondAThreshold) {
  const int tokens = 10, dim = 40;  // 400 values: 0.01 has room for 4, 0.0025 for 1
  std::vector<float> x(tokens * dim);
  for (size_t i = 0; i < x.size(); ++i) x[i] = 1.0f + static_cast<float>(i % 5) / 4;  // 1 to 2
  x[3 * dim + 8] = 6.0f;  // not beyond 6
  std::vector<const Ops*> tables = Tables();
  tables.push_back(&Reference());
  for (const Ops* ops : tables)
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
      for (ScalePer per : {ScalePer::kToken, ScalePer::kChannel}) {
        const auto label = [&](const char* what) {
          return Label("%s %s per %s: %s", ops->name, tensor == Tensor::kKey ? "key" : "value",
                       per == ScalePer::kToken ? "token" : "channel", what);
        };
        const auto stored = [&](double fraction, const std::vector<float>& values) {
          const TensorFormat format = Beyond(Coded(8, per, 16), 6.0, fraction);
          return ReadStored(*ops, tensor, format, tokens, dim, values);
        };
        Expect(label("nothing beyond"), stored(0.01, x).cells.empty());
        std::vector<float> y = x;
        for (int cell : {45, 7, 200, 47, 46}) y[cell] = cell == 200 ? -9.0f : 7.0f;
        const Stored four = stored(0.01, y), one = stored(0.0025, y);
        Expect(label("the largest, then the earlier"),
               four.cells == std::vector<int>({7, 45, 46, 200}) &&
                   one.cells == std::vector<int>({200}));
        for (int cell : four.cells) Expect(label("exact"), four.values[cell] == y[cell]);
        // 47 found no room: coded, within half a step of a range from 0 or 1 to 7.
        Expect(label("no room"), std::fabs(four.values[47] - 7.0f) <= 7.0f / 255 / 2 + 1e-2f);
        // The group of 200 reaches from the 0 in its place to 2, which is exact at its upper end.
        std::vector<float> step = x;
        std::fill(step.begin(), step.end(), 2.0f);
        step[200] = -9.0f;
        const Stored zero = stored(0.01, step);
        const int neighbour = per == ScalePer::kToken ? 201 : 200 + dim;
        Expect(label("0 in its group"), zero.cells == std::vector<int>({200}) &&
                                            zero.values[neighbour] != 2.0f &&
                                            std::fabs(zero.values[neighbour] - 2.0f) < 2e-3f);
      }
}

// Tokens written one after another, and rows taken by index, give the part that is packed at once.
QPKV_TEST(PackPiecewiseAndByIndex) {
  const int dim = 40, tokens = 45;
  const std::vector<float> x = RandomTokens(3, tokens, dim);
  std::vector<float> shuffled(x.size());
  std::vector<int32_t> index(tokens);
  for (int t = 0; t < tokens; ++t) {
    index[t] = (t * 7 + 2) % tokens;
    std::copy(x.begin() + t * dim, x.begin() + (t + 1) * dim, shuffled.begin() + index[t] * dim);
  }
  for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
    for (const TensorFormat& format :
         {Exact(Element::kBf16), Exact(Element::kF16), Exact(Element::kF32),
          Coded(4, ScalePer::kToken, 32), Coded(3, ScalePer::kToken, 16, ZeroPoint::kInteger)})
      for (const Ops* ops : Tables()) {
        const PackedTokens want =
            PackTokens(Reference(), TestStream(), tensor, {{format, tokens}}, dim, x);
        PackedTokens got = PackTokens(*ops, TestStream(), tensor, {{format, tokens}}, dim, x);
        const size_t bytes = LayoutOf(tensor, format, tokens, dim).bytes;
        std::fill(got.data[0].get(), got.data[0].get() + bytes, 0xff);
        for (int first = 0, n = 1; first < tokens;
             first += n, n = std::min(n + 3, tokens - first)) {
          PackItem item{};
          item.shape = got.parts[0].shape;
          item.source = shuffled.data();
          item.index = OnHost<const int32_t>(index.data() + first);
          item.tokens = n;
          item.first_slot = first;
          item.out = got.data[0].get();
          ops->Pack(TestStream(), {OnHost<const PackItem>(&item), 1, dim});
        }
        ExpectEqualBytes(Label("%s piecewise ", ops->name) + NameOf(format), got.data[0].get(),
                         want.data[0].get(), bytes);
      }
}

QPKV_TEST(PackEqualForEveryThreadCount) {
  const std::vector<float> x = RandomTokens(9, 900, 64);
  const TensorFormat format = Coded(4, ScalePer::kChannel, 32);
  for (const Ops* ops : Tables()) {
    const PackedTokens first =
        PackTokens(*ops, *Streams()[0], Tensor::kKey, {{format, 900}}, 64, x);
    for (Stream* stream : Streams()) {
      const PackedTokens again = PackTokens(*ops, *stream, Tensor::kKey, {{format, 900}}, 64, x);
      for (size_t i = 0; i < again.data.size(); ++i)
        ExpectEqualBytes(Label("%s over threads", ops->name), again.data[i].get(),
                         first.data[i].get(),
                         LayoutOf(Tensor::kKey, format, again.parts[i].tokens, 64).bytes);
    }
  }
}

}  // namespace
}  // namespace qpkv
