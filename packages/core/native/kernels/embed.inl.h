// Embed: rows of the embedding table, converted to float32.
#pragma once

namespace qpkv {
namespace {

void Embed(Stream& stream, const EmbedArgs& args) {
  const char* table = static_cast<const char*>(args.table);
  const size_t bytes = ElementBytes(args.element);
  stream.ParallelFor(args.rows, [&](int row, int) {
    const size_t start = static_cast<size_t>(args.ids[row]) * args.dim;
    float* out = args.out + static_cast<size_t>(row) * args.dim;
    for (int i = 0; i < args.dim; i += 16) {
      const int n = args.dim - i < 16 ? args.dim - i : 16;
      // Tensors begin anywhere in a file: the elements are copied to where they may be loaded from.
      alignas(64) char aligned[16 * sizeof(float)];
      __builtin_memcpy(aligned, table + (start + i) * bytes, n * bytes);
      F32x16 x;
      if (args.element == Element::kF32)
        x = LoadN(reinterpret_cast<const float*>(aligned), n);
      else if (args.element == Element::kF16)
        x = LoadF16N(reinterpret_cast<const uint16_t*>(aligned), n);
      else
        x = LoadBf16N(reinterpret_cast<const uint16_t*>(aligned), n);
      StoreN(out + i, x, n);
    }
  });
}

}  // namespace
}  // namespace qpkv
