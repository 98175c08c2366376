// See weight_reader.h.
#include "engine/weight_reader.h"

#include <algorithm>
#include <deque>
#include <future>
#include <optional>

#include "engine/stored_codes.h"

namespace qpkv {
namespace {

constexpr size_t kPieceBytes = size_t{8} << 20;
constexpr int kPanelRows = 64;  // pieces of whole panels where rows lie in order
constexpr int kMostAhead = 4;   // pieces in memory

TensorSource RowsOf(const TensorSource& tensor, int begin, int end) {
  TensorSource piece = tensor;
  piece.shape.front() = end - begin;
  piece.offset +=
      tensor.bytes() / static_cast<size_t>(tensor.shape.front()) * static_cast<size_t>(begin);
  return piece;
}

// Rows as the file holds them and as PackWeight takes them.
struct Piece {
  int begin, end;
  std::vector<uint8_t> file;
  std::optional<StoredTensor> values;
  std::optional<StoredCodes> codes;

  Piece(const TensorSource& rows, int first, std::vector<uint8_t> data, const WeightFormat& format)
      : begin(first), end(first + rows.shape.front()), file(std::move(data)) {
    if (rows.in_blocks && HoldsBlocks(format, rows.block))
      codes.emplace(rows, file.data(), format);
    else
      values.emplace(rows, file.data());
  }

  PackWeightArgs Args(const TensorSource& tensor) const {
    PackWeightArgs args{};
    args.row_begin = begin, args.row_end = end;
    args.source_element = tensor.read_element();
    if (codes)
      codes->SetSource(&args);
    else
      args.source = OnHost(values->data());
    return args;
  }
};

}  // namespace

WeightReader::WeightReader(const std::vector<std::string>& paths, int threads)
    : threads_(std::min(threads, kMostAhead)) {
  for (const std::string& path : paths) files_.push_back(std::make_unique<ModelFile>(path));
}

std::vector<uint8_t> WeightReader::Read(const TensorSource& tensor) const {
  std::vector<uint8_t> data(tensor.bytes());
  files_.at(static_cast<size_t>(tensor.file))->Read(tensor.offset, data.size(), data.data());
  return data;
}

void WeightReader::ForEachPiece(const TensorSource& tensor, const WeightFormat& format,
                                const std::function<void(const PackWeightArgs& args)>& pack) const {
  const int rows = tensor.shape.front();
  if (rows == 0) return;
  const int unit = tensor.paired_rows > 0 ? tensor.paired_rows : kPanelRows;
  const size_t value_bytes = tensor.count() * ElementBytes(tensor.read_element());
  const size_t unit_bytes =
      std::max(value_bytes, tensor.bytes()) / static_cast<size_t>(rows) * static_cast<size_t>(unit);
  const int step =
      unit * static_cast<int>(std::max<size_t>(1, kPieceBytes / std::max<size_t>(1, unit_bytes)));
  const auto make = [&](int begin) {
    const TensorSource part = RowsOf(tensor, begin, std::min(rows, begin + step));
    return std::make_unique<Piece>(part, begin, Read(part), format);
  };
  std::deque<std::future<std::unique_ptr<Piece>>> ahead;
  for (int begin = 0, next = 0; begin < rows; begin += step) {
    for (; next < rows && static_cast<int>(ahead.size()) < threads_; next += step)
      ahead.push_back(std::async(std::launch::async, make, next));
    const std::unique_ptr<Piece> piece = ahead.front().get();
    ahead.pop_front();
    pack(piece->Args(tensor));
  }
}

}  // namespace qpkv
