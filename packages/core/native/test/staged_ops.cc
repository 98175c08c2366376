#include "test/staged_ops.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "mirror/op_memory.h"
#include "ops/tile_layout.h"

namespace qpkv {
namespace {

const Table* inner = nullptr;

// A piece of host memory and its place on the device.
struct Piece {
  const uint8_t *begin, *end;
  bool written = false;
  std::vector<uint8_t> shadow;  // what is uploaded: with the device's pointers
  uint8_t* allocated = nullptr;
  uint8_t* device = nullptr;  // of `begin`, as far from a multiple of 16 as that is
};

template <class T>
constexpr size_t SizeOf() {
  if constexpr (std::is_void_v<T>)
    return 1;
  else
    return sizeof(T);
}

// First pass: which pieces there are. What overlaps is one piece.
class Pieces {
 public:
  template <class T>
  void at(T*& data, size_t count) {
    if (data != nullptr && count > 0)
      Add(reinterpret_cast<const uint8_t*>(data), count * SizeOf<T>(), !std::is_const_v<T>);
  }
  template <class T, class Inner>
  void each(T*& data, size_t count, const Inner& visit) {
    at(data, count);
    for (size_t i = 0; data != nullptr && i < count; ++i) {
      std::remove_const_t<T> copy = data[i];
      visit(copy);
    }
  }
  template <class T, class Inner>
  void each_on_host(Host<T>& data, size_t count, const Inner& visit) {
    for (size_t i = 0; i < count; ++i) {
      std::remove_const_t<T> copy = data.get()[i];
      visit(copy);
    }
  }
  template <class T>
  void on_host(Host<T>&) {}
  template <class T>
  const T* look(const T* data) const {
    return data;
  }
  size_t weight_bytes(const PackedWeight& weight) const {
    return inner->ops->PackedWeightBytes(weight.format, weight.n, weight.k);
  }

  std::map<const uint8_t*, Piece>& all() { return pieces_; }

 private:
  void Add(const uint8_t* begin, size_t bytes, bool written) {
    Piece piece{begin, begin + bytes, written, {}, nullptr, nullptr};
    auto next = pieces_.upper_bound(begin);
    if (next != pieces_.begin() && std::prev(next)->second.end > begin) --next;
    while (next != pieces_.end() && next->second.begin < piece.end) {
      piece.begin = std::min(piece.begin, next->second.begin);
      piece.end = std::max(piece.end, next->second.end);
      piece.written |= next->second.written;
      next = pieces_.erase(next);
    }
    pieces_[piece.begin] = std::move(piece);
  }

  std::map<const uint8_t*, Piece> pieces_;  // by their begin, apart from one another
};

// Second pass: pointers are replaced, in the arguments and in copies of what they lead to.
class DeviceCopies {
 public:
  DeviceCopies(Stream& stream, Pieces& pieces) : stream_(stream), pieces_(pieces) {
    for (auto& [begin, piece] : pieces.all()) {
      const size_t bytes = static_cast<size_t>(piece.end - piece.begin);
      // At the very end of what is aligned to 64 bytes, behind which a backend may watch.
      const size_t odd = reinterpret_cast<uintptr_t>(begin) % 16;
      const size_t off = odd + (64 - (odd + bytes + 15) / 16 * 16 % 64) % 64;
      piece.shadow.assign(piece.begin, piece.end);
      piece.allocated = static_cast<uint8_t*>(inner->ops->Allocate(stream, bytes + off));
      if (piece.allocated == nullptr) {
        std::fprintf(stderr, "no device memory for an op of the suite\n");
        std::abort();
      }
      piece.device = piece.allocated + off;
    }
  }
  ~DeviceCopies() {
    for (auto& [begin, piece] : pieces_.all())
      inner->ops->Release(stream_, piece.allocated,
                          static_cast<size_t>(piece.end - piece.begin) +
                              static_cast<size_t>(piece.device - piece.allocated));
  }

  template <class T>
  void at(T*& data, size_t count) {
    if (data == nullptr || count == 0) return;
    const auto* from = reinterpret_cast<const uint8_t*>(data);
    const Piece& piece = PieceAt(from);
    data = reinterpret_cast<T*>(piece.device + (from - piece.begin));
  }
  template <class T, class Inner>
  void each(T*& data, size_t count, const Inner& visit) {
    if (data == nullptr || count == 0) return;
    const auto* from = reinterpret_cast<const uint8_t*>(data);
    Piece& piece = PieceAt(from);
    for (size_t i = 0; i < count; ++i) {
      std::remove_const_t<T> copy = data[i];
      visit(copy);
      std::memcpy(piece.shadow.data() + (from - piece.begin) + i * sizeof(T), &copy, sizeof(T));
    }
    at(data, count);
  }
  template <class T, class Inner>
  void each_on_host(Host<T>& data, size_t count, const Inner& visit) {
    if (count == 0) return;
    using Item = std::remove_const_t<T>;
    const auto items = std::make_shared<std::vector<Item>>(data.get(), data.get() + count);
    for (Item& item : *items) visit(item);
    data = OnHost<T>(items->data());
    alive_.push_back(items);
  }
  template <class T>
  void on_host(Host<T>&) {}
  template <class T>
  const T* look(const T* data) const {
    return data;
  }
  size_t weight_bytes(const PackedWeight& weight) const { return pieces_.weight_bytes(weight); }

  void Upload() {
    for (auto& [begin, piece] : pieces_.all())
      inner->ops->Upload(stream_, piece.device, OnHost<const void>(piece.shadow.data()),
                         piece.shadow.size());
  }
  void Download() {
    for (auto& [begin, piece] : pieces_.all())
      if (piece.written)
        inner->ops->Download(stream_, OnHost<void>(const_cast<uint8_t*>(piece.begin)), piece.device,
                             piece.shadow.size());
  }

 private:
  Piece& PieceAt(const uint8_t* data) { return std::prev(pieces_.all().upper_bound(data))->second; }

  Stream& stream_;
  Pieces& pieces_;
  std::vector<std::shared_ptr<void>> alive_;
};

// visit(args, visitor) looks at all that the arguments lead to, run(args) is the op.
template <class Args, class Visit, class Run>
void Stage(Stream& stream, const Args& args, const Visit& visit, const Run& run) {
  Pieces pieces;
  Args seen = args;
  visit(seen, pieces);
  DeviceCopies copies(stream, pieces);
  Args placed = args;
  visit(placed, copies);
  copies.Upload();
  run(placed);
  copies.Download();
  const StreamStatus status = inner->ops->Check(stream);
  if (status.trouble == Trouble::kMemory) throw std::bad_alloc();
  if (status.trouble == Trouble::kDevice) {
    std::fprintf(stderr, "the device failed: %s\n", status.message);
    std::abort();
  }
}

template <auto op, class Args>
void StagedOp(Stream& stream, const Args& args) {
  Stage(
      stream, args, [](Args& of, auto& visitor) { VisitMemory(of, visitor); },
      [&](const Args& placed) { (inner->ops->*op)(stream, placed); });
}

// A list of statistics holds plain functions, so each has its own.
constexpr int kMostStatistics = 64;
template <int kIndex>
void StagedStatistic(Stream& stream, const StatisticArgs& args) {
  const Statistic& statistic = inner->statistics->items[kIndex];
  Stage(
      stream, args, [&](StatisticArgs& of, auto& visitor) { VisitMemory(of, statistic, visitor); },
      [&](const StatisticArgs& placed) { statistic.run(stream, placed); });
}

template <int... kIndices>
StatisticList StagedStatistics(std::integer_sequence<int, kIndices...>) {
  static Statistic items[kMostStatistics];
  const decltype(Statistic::run) runs[] = {StagedStatistic<kIndices>...};
  for (int i = 0; i < inner->statistics->count; ++i) {
    items[i] = inner->statistics->items[i];
    items[i].run = runs[i];
  }
  return {items, inner->statistics->count};
}

}  // namespace

StagedOps::StagedOps(const Table& of) : ops_(*of.ops) {
  static Table kept;
  kept = of;
  inner = &kept;
#define QPKV_STAGE(NAME) \
  ops_.NAME = [](Stream& stream, const auto& args) { StagedOp<&Ops::NAME>(stream, args); };
  QPKV_OPS_WITH_ARGUMENTS(QPKV_STAGE)
#undef QPKV_STAGE
  statistics_ = StagedStatistics(std::make_integer_sequence<int, kMostStatistics>());
}

}  // namespace qpkv
