// LoadFloats and Embed: elements as a file stores them, converted to float32.
#pragma once
#include "kernels/read_element.inl.h"

namespace qpkv {
namespace {

void LoadFloats(Stream&, const LoadFloatsArgs& args) {
  for (int i = 0; i < args.count; i += 16)
    StoreN(args.out + i, ReadElements(args.source.get(), args.element, i, args.count - i),
           args.count - i);
}

void Embed(Stream& stream, const EmbedArgs& args) {
  stream.ParallelFor(args.rows, [&](int row, int) {
    const size_t start = static_cast<size_t>(args.ids[row]) * args.dim;
    float* out = args.out + static_cast<size_t>(row) * args.dim;
    for (int i = 0; i < args.dim; i += 16)
      StoreN(out + i, ReadElements(args.table, args.element, start + i, args.dim - i),
             args.dim - i);
  });
}

}  // namespace
}  // namespace qpkv
