// Embed: rows of the embedding table, converted to float32.
#pragma once

namespace qpkv {
namespace {

void Embed(Stream& stream, const EmbedArgs& args) {
  stream.ParallelFor(args.rows, [&](int row, int) {
    const size_t start = static_cast<size_t>(args.ids[row]) * args.dim;
    float* out = args.out + static_cast<size_t>(row) * args.dim;
    for (int i = 0; i < args.dim; i += 16) {
      const int n = args.dim - i < 16 ? args.dim - i : 16;
      F32x16 x;
      if (args.element == Element::kF32)
        x = LoadN(static_cast<const float*>(args.table) + start + i, n);
      else if (args.element == Element::kF16)
        x = LoadF16N(static_cast<const uint16_t*>(args.table) + start + i, n);
      else
        x = LoadBf16N(static_cast<const uint16_t*>(args.table) + start + i, n);
      StoreN(out + i, x, n);
    }
  });
}

}  // namespace
}  // namespace qpkv
