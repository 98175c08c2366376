// Pack of every table writes the same bytes as the reference, whole and piecewise.
#include <cmath>
#include <cstring>

#include "test/harness.h"
#include "test/tile_cases.h"

namespace qpkv {
namespace {

using namespace tile_cases;

// Two packed parts agree byte by byte. HQQ sums in another order, so that a stop test or a tie may
// fall differently: few bytes may.
void ExpectSamePart(const std::string& label, const Bytes& got, const Bytes& want,
                    const TensorFormat& format, size_t bytes) {
  if (format.solver == Solver::kMinMax)
    return ExpectEqualBytes(label, got.get(), want.get(), bytes);
  size_t different = 0;
  for (size_t i = 0; i < bytes; ++i) different += got.get()[i] != want.get()[i];
  Expect(label + Label(": %zu of %zu bytes differ", different, bytes), different * 500 <= bytes);
}

QPKV_TEST(PackEqualsReference) {
  PartNeeds needs;
  needs.positions = needs.mask = true;
  for (int dim : {64, 40})
    for (int tokens : {128, 70, 1})
      for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
        for (const TensorFormat& format : Formats(dim)) {
          std::vector<float> x = RandomTokens(tokens + dim, tokens, dim);
          for (int t = 0; t < tokens; ++t) x[t * dim + 5] = 2.5f;  // a constant channel
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
            ExpectSamePart(Label("%s %s dim %d tokens %d %s", ops->name,
                                 tensor == Tensor::kKey ? "key" : "value", dim, tokens,
                                 NameOf(format).c_str()),
                           got.data[0], want.data[0], format, bytes);
          }
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
          item.source = shuffled.data();
          item.index = index.data() + first;
          item.tokens = n;
          item.first_slot = first;
          item.part_tokens = tokens;
          item.tensor = tensor;
          item.format = &format;
          item.out = got.data[0].get();
          ops->Pack(TestStream(), {&item, 1, dim});
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
        ExpectEqualBytes(Label("%s threads %d", ops->name, stream->threads()), again.data[i].get(),
                         first.data[i].get(),
                         LayoutOf(Tensor::kKey, format, again.parts[i].tokens, 64).bytes);
    }
  }
}

}  // namespace
}  // namespace qpkv
