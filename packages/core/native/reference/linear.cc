// Reference LoadFloats, Embed, PackWeight and Matmul.
#include <cstring>

#include "base/f16.h"
#include "reference/coded_weight.h"
#include "reference/weights.h"

namespace qpkv {
namespace reference {
namespace {

void Write(void* data, Element element, size_t i, float x) {
  if (element == Element::kF32)
    static_cast<float*>(data)[i] = x;
  else
    static_cast<uint16_t*>(data)[i] = element == Element::kF16 ? FloatToF16(x) : FloatToBf16(x);
}

// Where exact weight (row, column) lies, in elements.
size_t PackedIndex(const PackedWeight& w, int row, int column) {
  const size_t panel = static_cast<size_t>(row / kPanel) * kPanel * AlignUp(w.k, 2);
  const size_t lane = row % kPanel;
  if (w.format.element == Element::kBf16)
    return panel + (static_cast<size_t>(column / 2) * kPanel + lane) * 2 + column % 2;
  return panel + static_cast<size_t>(column) * kPanel + lane;
}

}  // namespace

void LoadFloats(Stream&, const LoadFloatsArgs& args) {
  for (int i = 0; i < args.count; ++i)
    args.out[i] = ReadElement(args.source.get(), args.element, static_cast<size_t>(i));
}

void Embed(Stream&, const EmbedArgs& args) {
  const PackedWeight& w = args.table;
  for (int row = 0; row < args.rows; ++row)
    for (int i = 0; i < w.k; ++i)
      args.out[static_cast<size_t>(row) * w.k + i] =
          static_cast<float>(IsExact(w.format) ? ReadElement(w.data, w.format.element,
                                                             PackedIndex(w, args.ids[row], i))
                                               : CodedWeight(w, args.ids[row], i));
}

size_t PackedWeightBytes(const WeightFormat& format, int n, int k) {
  return WeightBytes(format, n, k);
}

void PackWeight(Stream&, const PackWeightArgs& args) {
  const int end =
      args.row_end == args.out.n ? static_cast<int>(AlignUp(args.row_end, kPanel)) : args.row_end;
  for (int row = args.row_begin; row < end; ++row) {
    if (!IsExact(args.out.format)) {
      PackCodedRow(args, row);
      continue;
    }
    for (int column = 0; column < static_cast<int>(AlignUp(args.out.k, 2)); ++column) {
      const bool padding = row >= args.row_end || column >= args.out.k;
      const size_t from = static_cast<size_t>(row - args.row_begin) * args.out.k + column;
      Write(args.out.data, args.out.format.element, PackedIndex(args.out, row, column),
            padding ? 0.0f : ReadElement(args.source.get(), args.source_element, from));
    }
  }
}

float WeightAt(const PackedWeight& weight, int row, int column) {
  return IsExact(weight.format)
             ? ReadElement(weight.data, weight.format.element, PackedIndex(weight, row, column))
             : static_cast<float>(CodedWeight(weight, row, column));
}

void Matmul(Stream&, const MatmulArgs& args) {
  const PackedWeight& w = args.weight;
  const bool exact = IsExact(w.format);
  std::vector<double> x(static_cast<size_t>(w.k));
  for (int row = 0; row < args.m; ++row) {
    const float* from = args.x + static_cast<size_t>(row) * w.k;
    x.assign(from, from + w.k);
    if (!exact && args.products == Products::kWords) RoundToWords(from, w.k, w.format.group, &x);
    if (!exact && args.products == Products::kShort) RoundToBytes(from, w.k, w.format.group, &x);
    // f16 and f32 weights are multiplied in float32 whatever the products.
    if (exact && args.products == Products::kShort && w.format.element == Element::kBf16)
      for (double& value : x) value = RoundToBf16(static_cast<float>(value));
    for (int n = 0; n < w.n; ++n) {
      double sum = args.bias ? args.bias[n] : 0.0;
      for (int k = 0; k < w.k; ++k)
        sum += x[static_cast<size_t>(k)] *
               (exact ? ReadElement(w.data, w.format.element, PackedIndex(w, n, k))
                      : CodedWeight(w, n, k));
      float& out = args.out[static_cast<size_t>(row) * w.n + n];
      out = static_cast<float>(args.accumulate ? out + sum : sum);
    }
  }
}

}  // namespace reference
}  // namespace qpkv
