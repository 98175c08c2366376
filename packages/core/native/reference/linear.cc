// Reference LoadFloats, Embed, PackWeight and Matmul.
#include <cstring>

#include "base/f16.h"
#include "reference/dense_ops.h"

namespace qpkv {
namespace reference {
namespace {

constexpr int kPanel = 64;

float Read(const void* data, Element element, size_t i) {
  // Tensors begin anywhere in a file, so elements are read as bytes.
  if (element == Element::kF32) {
    float value;
    std::memcpy(&value, static_cast<const char*>(data) + i * sizeof value, sizeof value);
    return value;
  }
  uint16_t bits;
  std::memcpy(&bits, static_cast<const char*>(data) + i * sizeof bits, sizeof bits);
  return element == Element::kF16 ? F16ToFloat(bits) : Bf16ToFloat(bits);
}

void Write(void* data, Element element, size_t i, float x) {
  if (element == Element::kF32)
    static_cast<float*>(data)[i] = x;
  else
    static_cast<uint16_t*>(data)[i] = element == Element::kF16 ? FloatToF16(x) : FloatToBf16(x);
}

// Where weight (row, column) lies, in elements.
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
    args.out[i] = Read(args.source.get(), args.element, static_cast<size_t>(i));
}

void Embed(Stream&, const EmbedArgs& args) {
  for (int row = 0; row < args.rows; ++row)
    for (int i = 0; i < args.dim; ++i)
      args.out[static_cast<size_t>(row) * args.dim + i] =
          Read(args.table, args.element, static_cast<size_t>(args.ids[row]) * args.dim + i);
}

size_t PackedWeightBytes(const WeightFormat& format, int n, int k) {
  return AlignUp(n, kPanel) * AlignUp(k, 2) * ElementBytes(format.element);
}

void PackWeight(Stream&, const PackWeightArgs& args) {
  const int columns = static_cast<int>(AlignUp(args.out.k, 2));
  const int end =
      args.row_end == args.out.n ? static_cast<int>(AlignUp(args.row_end, kPanel)) : args.row_end;
  for (int row = args.row_begin; row < end; ++row)
    for (int column = 0; column < columns; ++column) {
      const bool padding = row >= args.row_end || column >= args.out.k;
      const size_t from = static_cast<size_t>(row - args.row_begin) * args.out.k + column;
      Write(args.out.data, args.out.format.element, PackedIndex(args.out, row, column),
            padding ? 0.0f : Read(args.source.get(), args.source_element, from));
    }
}

void Matmul(Stream&, const MatmulArgs& args) {
  const PackedWeight& w = args.weight;
  // f16 and f32 weights are multiplied in float32 under either precision.
  const Precision precision = w.format.element == Element::kBf16 ? args.precision : Precision::kF32;
  for (int row = 0; row < args.m; ++row)
    for (int n = 0; n < w.n; ++n) {
      double sum = args.bias ? args.bias[n] : 0.0;
      for (int k = 0; k < w.k; ++k)
        sum += Factor(args.x[static_cast<size_t>(row) * w.k + k], precision) *
               Read(w.data, w.format.element, PackedIndex(w, n, k));
      float& out = args.out[static_cast<size_t>(row) * w.n + n];
      out = static_cast<float>(args.accumulate ? out + sum : sum);
    }
}

}  // namespace reference
}  // namespace qpkv
