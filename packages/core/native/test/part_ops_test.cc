// MarkTokens and CheckParts of every table against the reference.
#include <cmath>
#include <cstring>

#include "test/harness.h"
#include "test/tile_cases.h"

namespace qpkv {
namespace {

using namespace tile_cases;

PartNeeds AllNeeds() {
  PartNeeds needs;
  needs.positions = needs.mask = true;
  return needs;
}

QPKV_TEST(MarkTokensEqualsReference) {
  const int dim = 40, tokens = 100;
  const std::vector<float> x = RandomTokens(3, tokens, dim);
  std::vector<int32_t> positions(tokens);
  std::vector<uint8_t> valid(tokens);
  for (int t = 0; t < tokens; ++t) positions[t] = 7 * t, valid[t] = t % 3 != 0;
  for (const TensorFormat& format : {Exact(Element::kBf16), Coded(3, ScalePer::kChannel, 32)})
    for (int first : {0, 5, 64}) {
      const auto mark = [&](const Ops& ops, bool with_positions, bool with_valid) {
        PackedTokens packed = PackTokens(Reference(), TestStream(), Tensor::kKey,
                                         {{format, tokens}}, dim, x, AllNeeds(), positions.data());
        std::vector<int32_t> moved(positions);
        for (int32_t& position : moved) ++position;
        MarkItem item{};
        item.shape = packed.parts[0].shape;
        item.part = packed.parts[0].data;
        item.positions = OnHost<const int32_t>(with_positions ? moved.data() : nullptr);
        item.valid = OnHost<const uint8_t>(with_valid ? valid.data() : nullptr);
        item.tokens = 30;
        item.first_slot = first;
        ops.MarkTokens(TestStream(), {OnHost<const MarkItem>(&item), 1, dim});
        return packed;
      };
      const size_t bytes = LayoutOf(Tensor::kKey, format, tokens, dim, AllNeeds()).bytes;
      for (bool with_positions : {true, false})
        for (bool with_valid : {true, false}) {
          const PackedTokens want = mark(Reference(), with_positions, with_valid);
          for (const Ops* ops : Tables()) {
            const PackedTokens got = mark(*ops, with_positions, with_valid);
            ExpectEqualBytes(Label("%s from %d ", ops->name, first) + NameOf(format),
                             got.data[0].get(), want.data[0].get(), bytes);
          }
        }
    }
}

bool IsSound(const Ops& ops, const PackedPart& part, int dim) {
  CheckItem item{};
  item.shape = part.shape;
  item.part = part.data;
  item.tokens = part.tokens;
  int32_t bad = 77;
  ops.CheckParts(TestStream(), {OnHost<const CheckItem>(&item), 1, dim, OnHost(&bad)});
  Expect(Label("%s answers", ops.name), bad == -1 || bad == 0);
  return bad == -1;
}

// What was packed is sound in every format; and whatever single byte is damaged, all tables say the
// same of it.
QPKV_TEST(CheckPartsAgreeOnDamagedBytes) {
  Random random(11);
  int refused = 0;
  for (int dim : {6, 40, 64})
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
      for (const TensorFormat& format : Formats(dim)) {
        const int tokens = 37;
        std::vector<int32_t> positions(tokens);
        for (int t = 0; t < tokens; ++t) positions[t] = t;
        PackedTokens packed =
            PackTokens(Reference(), TestStream(), tensor, {{format, tokens}}, dim,
                       RandomTokens(dim, tokens, dim), AllNeeds(), positions.data());
        const PackedPart& part = packed.parts[0];
        const size_t bytes = LayoutOf(tensor, format, tokens, dim, AllNeeds()).bytes;
        Expect("sound: " + NameOf(format), IsSound(Reference(), part, dim));
        for (const Ops* ops : Tables())
          Expect("sound: " + NameOf(format), IsSound(*ops, part, dim));
        for (int i = 0; i < 12; ++i) {
          uint8_t& byte = part.data[random.Next() % bytes];
          const uint8_t before = byte;
          byte = static_cast<uint8_t>(i % 3 == 0 ? 0xff : random.Next());
          const bool want = IsSound(Reference(), part, dim);
          refused += !want;
          for (const Ops* ops : Tables())
            Expect(Label("%s agrees ", ops->name) + NameOf(format),
                   IsSound(*ops, part, dim) == want);
          byte = before;
        }
      }
  Expect("some were refused", refused > 100);
}

// One fault of each kind is refused by every table.
QPKV_TEST(CheckPartsNameEveryFault) {
  const int dim = 40, tokens = 37;
  TensorFormat format = Coded(2, ScalePer::kToken, 32, ZeroPoint::kInteger);
  format.outlier_fraction = 0.02;
  const PartLayout at = LayoutOf(Tensor::kKey, format, tokens, dim, AllNeeds());
  const size_t last = at.outliers + 4 + 4 * (static_cast<size_t>(at.outlier_capacity) - 1);
  std::vector<int32_t> positions(tokens, 3);
  std::vector<const Ops*> tables = Tables();
  tables.push_back(&Reference());
  struct Fault {
    const char* what;
    size_t offset;
    std::vector<uint8_t> bytes;
  };
  const std::vector<Fault> faults = {
      {"an infinite scale", at.scales, {0x00, 0x7c}},
      {"a zero point that is no code", at.offsets, {4}},
      {"too many outliers", at.outliers, {0xff, 0xff, 0xff, 0xff}},
      {"an outlier's token", at.outliers + 4, {37}},
      {"an outlier's channel", at.outliers + 5, {40}},
      {"the last outlier's token", last, {37}},
      {"the last outlier's channel", last + 1, {40}},
      {"outliers out of order", at.outliers + 4, {36, 39}},
      {"a negative position", at.positions + 4, {0, 0, 0, 0x80}},
      {"a valid bit behind the tokens", at.mask + 4, {0x3f}},
  };
  for (const Ops* ops : tables)
    for (const Fault& fault : faults) {
      PackedTokens packed =
          PackTokens(Reference(), TestStream(), Tensor::kKey, {{format, tokens}}, dim,
                     RandomTokens(2, tokens, dim), AllNeeds(), positions.data());
      Expect(Label("%s sound", ops->name), IsSound(*ops, packed.parts[0], dim));
      std::memcpy(packed.parts[0].data + fault.offset, fault.bytes.data(), fault.bytes.size());
      Expect(Label("%s refuses %s", ops->name, fault.what), !IsSound(*ops, packed.parts[0], dim));
    }
}

}  // namespace
}  // namespace qpkv
