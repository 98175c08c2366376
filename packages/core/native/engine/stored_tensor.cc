// See stored_tensor.h.
#include "engine/stored_tensor.h"

#include <cstring>

namespace qpkv {

size_t SourceRow(size_t row, int paired_rows) {
  if (paired_rows == 0) return row;
  const size_t dim = static_cast<size_t>(paired_rows), channel = row % dim, half = dim / 2;
  return row - channel + channel % half * 2 + channel / half;
}

size_t TensorSource::count() const {
  size_t n = 1;
  for (int side : shape) n *= static_cast<size_t>(side);
  return n;
}

size_t TensorSource::bytes() const {
  return in_blocks ? count() / static_cast<size_t>(BlockValues(block)) * BlockBytes(block)
                   : count() * ElementBytes(element);
}

StoredTensor::StoredTensor(const TensorSource& source, const uint8_t* data) : file_(data) {
  if (!source.in_blocks && source.paired_rows == 0) return;
  const size_t rows = static_cast<size_t>(source.shape.front());
  const size_t row_bytes = source.bytes() / rows;
  const size_t values = source.count() / rows;
  const size_t out_bytes = values * ElementBytes(source.read_element());
  own_.resize(rows * out_bytes);
  for (size_t row = 0; row < rows; ++row) {
    const uint8_t* from = data + SourceRow(row, source.paired_rows) * row_bytes;
    uint8_t* to = own_.data() + row * out_bytes;
    if (source.in_blocks)
      ReadBlocks(source.block, from, values / static_cast<size_t>(BlockValues(source.block)),
                 reinterpret_cast<float*>(to));
    else
      std::memcpy(to, from, row_bytes);
  }
}

}  // namespace qpkv
