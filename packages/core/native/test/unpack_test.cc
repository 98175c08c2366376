// Unpack of every table gives exactly what the reference reads, and what was packed, as near as the
// format allows.
#include <cmath>
#include <cstring>

#include "test/harness.h"
#include "test/tile_cases.h"

namespace qpkv {
namespace {

using namespace tile_cases;

struct Unpacked {
  std::vector<float> values, scales, offsets, balance;
  std::vector<uint8_t> codes;
  std::vector<int32_t> positions;
};

Unpacked UnpackPart(const Ops& ops, const PackedPart& part, int dim) {
  const TensorFormat& format = *part.shape.format.get();
  const PartLayout at =
      LayoutOf(part.shape.tensor, format, part.shape.part_tokens, dim, part.shape.needs);
  const size_t cells = static_cast<size_t>(part.tokens) * dim;
  const size_t scales =
      at.scale_rows * (format.scale_per == ScalePer::kChannel ? dim : part.shape.part_tokens);
  Unpacked out{std::vector<float>(cells, NAN),    std::vector<float>(scales, NAN),
               std::vector<float>(scales, NAN),   {},
               std::vector<uint8_t>(cells, 0xff), {}};
  out.balance.assign(format.scale_per == ScalePer::kChannel ? part.tokens : dim, NAN);
  out.positions.assign(part.tokens, -1);
  UnpackItem item = ReaderOf(part, out.values.data());
  item.codes = out.codes.data();
  item.scales = out.scales.data();
  item.offsets = out.offsets.data();
  item.balance = out.balance.data();
  item.positions = part.shape.needs.positions ? out.positions.data() : nullptr;
  UnpackOne(ops, TestStream(), item, dim);
  return out;
}

QPKV_TEST(UnpackEqualsReference) {
  for (int dim : HeadDims())
    for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
      for (const TensorFormat& format : Formats(dim)) {
        PartNeeds needs;
        needs.positions = tensor == Tensor::kKey;
        std::vector<int32_t> positions(75);
        for (int t = 0; t < 75; ++t) positions[t] = 3 * t + 1;
        const PackedTokens packed =
            PackTokens(Reference(), TestStream(), tensor, {{format, 75}}, dim,
                       RandomTokens(dim, 75, dim), needs, positions.data());
        const Unpacked want = UnpackPart(Reference(), packed.parts[0], dim);
        for (const Ops* ops : Tables()) {
          const Unpacked got = UnpackPart(*ops, packed.parts[0], dim);
          const std::string label = Label("%s dim %d ", ops->name, dim) + NameOf(format);
          ExpectEqualBytes(label + " values", got.values.data(), want.values.data(),
                           want.values.size() * sizeof(float));
          ExpectEqualBytes(label + " codes", got.codes.data(), want.codes.data(),
                           want.codes.size());
          ExpectEqualBytes(label + " scales", got.scales.data(), want.scales.data(),
                           want.scales.size() * sizeof(float));
          ExpectEqualBytes(label + " offsets", got.offsets.data(), want.offsets.data(),
                           want.offsets.size() * sizeof(float));
          ExpectEqualBytes(label + " balance", got.balance.data(), want.balance.data(),
                           want.balance.size() * sizeof(float));
          if (needs.positions)
            ExpectEqualBytes(label + " positions", got.positions.data(), positions.data(),
                             positions.size() * sizeof(int32_t));
        }
      }
}

// Values come back within half a step of their group (outliers and exact formats: within the
// element's rounding).
QPKV_TEST(UnpackWithinHalfAStep) {
  const int dim = 64, tokens = 128;
  const std::vector<float> x = RandomTokens(7, tokens, dim);
  for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
    for (int bits : {8, 4, 3, 2, 1})
      for (ScalePer per : {ScalePer::kChannel, ScalePer::kToken}) {
        const TensorFormat format = Coded(bits, per, 32, ZeroPoint::kFloatMinimum, Element::kF32);
        for (const Ops* ops : Tables()) {
          const PackedTokens packed =
              PackTokens(*ops, TestStream(), tensor, {{format, tokens}}, dim, x);
          const Unpacked got = UnpackPart(*ops, packed.parts[0], dim);
          double worst = 0;
          for (int t = 0; t < tokens; ++t)
            for (int c = 0; c < dim; ++c) {
              const size_t scale =
                  per == ScalePer::kChannel ? t / 32 * dim + c : c / 32 * tokens + t;
              worst = std::max(
                  worst, std::fabs(static_cast<double>(got.values[t * dim + c]) - x[t * dim + c]) /
                             got.scales[scale]);
            }
          Expect(Label("%s %s: %.6f steps", ops->name, NameOf(format).c_str(), worst),
                 worst <= 0.5001 && worst >= 0.4);
        }
      }
}

// Bytes from outside may name outliers that are none: what lies beyond the tokens, the channels or
// the room is passed over, by every table alike.
QPKV_TEST(UnpackPassesOverImpossibleOutliers) {
  const int dim = 40, tokens = 75;
  for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
    for (Element metadata : {Element::kF16, Element::kF32}) {
      TensorFormat format = Coded(4, ScalePer::kToken, 32, ZeroPoint::kFloatMinimum, metadata);
      format.outlier_fraction = 0.02;
      PackedTokens packed = PackTokens(Reference(), TestStream(), tensor, {{format, tokens}}, dim,
                                       RandomTokens(3, tokens, dim));
      const PartLayout at = LayoutOf(tensor, format, tokens, dim);
      uint8_t* section = packed.data[0].get() + at.outliers;
      const size_t entry = metadata == Element::kF32 ? 8 : 4;
      const uint32_t count = 0xfffffff0u;
      std::memcpy(section, &count, 4);
      for (int i = 0; i < at.outlier_capacity; ++i) {
        if (i % 3 == 0) section[4 + static_cast<size_t>(i) * entry] = 200;     // token
        if (i % 3 == 1) section[5 + static_cast<size_t>(i) * entry] = 40 + i;  // channel
      }
      const Unpacked want = UnpackPart(Reference(), packed.parts[0], dim);
      for (const Ops* ops : Tables()) {
        const Unpacked got = UnpackPart(*ops, packed.parts[0], dim);
        ExpectEqualBytes(Label("%s %s", ops->name, NameOf(format).c_str()), got.values.data(),
                         want.values.data(), want.values.size() * sizeof(float));
      }
    }
}

// A known part: 2 tokens of 8 channels, 4 bits, worked out by hand from ops/tile_layout.h.
QPKV_TEST(UnpackKnownBytes) {
  const TensorFormat format =
      Coded(4, ScalePer::kChannel, 16, ZeroPoint::kFloatMinimum, Element::kF32);
  const std::vector<float> x = {0,  1, 2,  3, 4, 5, 6, 7,
                                15, 1, 32, 3, 4, 5, 6, 8};  // channels 0, 2 and 7 differ
  for (const Ops* ops : Tables()) {
    const PackedTokens packed = PackTokens(*ops, TestStream(), Tensor::kKey, {{format, 2}}, 8, x);
    const uint16_t* words = reinterpret_cast<const uint16_t*>(packed.data[0].get());
    // Vector 0 (channels 0, 1) in bits 0-3, vector 1 (2, 3) in 4-7, vector 3 (6, 7) in 12-15; word
    // = token * 2 + channel % 2.
    Expect(Label("%s token 0", ops->name), words[0] == 0 && words[1] == 0);
    Expect(Label("%s token 1", ops->name), words[2] == 0x00ff && words[3] == 0xf000);
    const float* scales = reinterpret_cast<const float*>(packed.data[0].get() + 64);
    Expect(Label("%s scales", ops->name),
           scales[0] == 1.0f && scales[1] == 0.0f && scales[2] == 2.0f && scales[15] == 0.0f);
    const Unpacked got = UnpackPart(*ops, packed.parts[0], 8);
    ExpectNear(Label("%s values", ops->name), got.values.data(), x.data(), x.size(), 1e-7);
  }
}

}  // namespace
}  // namespace qpkv
