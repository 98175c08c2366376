// LoadFloats and Embed: elements as a file stores them, converted to float32.
#pragma once

namespace qpkv {
namespace {

// `count` elements that begin anywhere: they are copied to where they may be loaded from.
void ReadElements(const char* from, Element element, int count, float* out) {
  const size_t bytes = ElementBytes(element);
  for (int i = 0; i < count; i += 16) {
    const int n = count - i < 16 ? count - i : 16;
    alignas(64) char aligned[16 * sizeof(float)];
    __builtin_memcpy(aligned, from + i * bytes, n * bytes);
    F32x16 x;
    if (element == Element::kF32)
      x = LoadN(reinterpret_cast<const float*>(aligned), n);
    else if (element == Element::kF16)
      x = LoadF16N(reinterpret_cast<const uint16_t*>(aligned), n);
    else
      x = LoadBf16N(reinterpret_cast<const uint16_t*>(aligned), n);
    StoreN(out + i, x, n);
  }
}

void LoadFloats(Stream&, const LoadFloatsArgs& args) {
  ReadElements(static_cast<const char*>(args.source.get()), args.element, args.count, args.out);
}

void Embed(Stream& stream, const EmbedArgs& args) {
  const char* table = static_cast<const char*>(args.table);
  const size_t row_bytes = static_cast<size_t>(args.dim) * ElementBytes(args.element);
  stream.ParallelFor(args.rows, [&](int row, int) {
    ReadElements(table + static_cast<size_t>(args.ids[row]) * row_bytes, args.element, args.dim,
                 args.out + static_cast<size_t>(row) * args.dim);
  });
}

}  // namespace
}  // namespace qpkv
