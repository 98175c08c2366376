// See weight_reader.h.
#include "engine/weight_reader.h"

#include <algorithm>
#include <future>

namespace qpkv {
namespace {

constexpr size_t kPieceBytes = size_t{8} << 20;
constexpr int kPanelRows = 64;  // pieces of whole panels where rows lie in order

TensorSource RowsOf(const TensorSource& tensor, int begin, int end) {
  TensorSource piece = tensor;
  piece.shape.front() = end - begin;
  piece.offset +=
      tensor.bytes() / static_cast<size_t>(tensor.shape.front()) * static_cast<size_t>(begin);
  return piece;
}

}  // namespace

WeightReader::WeightReader(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) files_.push_back(std::make_unique<ModelFile>(path));
}

std::vector<uint8_t> WeightReader::Read(const TensorSource& tensor) const {
  std::vector<uint8_t> data(tensor.bytes());
  files_.at(static_cast<size_t>(tensor.file))->Read(tensor.offset, data.size(), data.data());
  return data;
}

void WeightReader::ForEachPiece(
    const TensorSource& tensor,
    const std::function<void(int begin, int end, const void* rows)>& use) const {
  const int rows = tensor.shape.front();
  if (rows == 0) return;
  const int unit = tensor.paired_rows > 0 ? tensor.paired_rows : kPanelRows;
  const size_t value_bytes = tensor.count() * ElementBytes(tensor.read_element());
  const size_t unit_bytes =
      std::max(value_bytes, tensor.bytes()) / static_cast<size_t>(rows) * static_cast<size_t>(unit);
  const int step =
      unit * static_cast<int>(std::max<size_t>(1, kPieceBytes / std::max<size_t>(1, unit_bytes)));
  const auto read = [&](int begin) {
    return Read(RowsOf(tensor, begin, std::min(rows, begin + step)));
  };
  std::future<std::vector<uint8_t>> next = std::async(std::launch::async, read, 0);
  for (int begin = 0; begin < rows; begin += step) {
    const int end = std::min(rows, begin + step);
    const std::vector<uint8_t> data = next.get();
    if (end < rows) next = std::async(std::launch::async, read, end);
    const StoredTensor stored(RowsOf(tensor, begin, end), data.data());
    use(begin, end, stored.data());
  }
}

}  // namespace qpkv
