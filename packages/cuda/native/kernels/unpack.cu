// Unpack and CheckParts: a block per part, value by value.
#include "device/warp.h"
#include "kernels/pack_items.h"
#include "kernels/table.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kThreads = 256;

__global__ void UnpackKernel(const PartItem* items, int dim) {
  const PartItem& item = items[blockIdx.x];
  const TensorFormat& format = item.format;
  const int me = static_cast<int>(threadIdx.x), cells = item.tokens * dim;
  const bool coded = format.bits != 16;
  for (int i = me; i < cells; i += kThreads) {
    const int t = i / dim, c = i % dim;
    item.values[i] = ValueOfCell(item.part, item.at, item.tensor, format, dim, t, c);
    if (!coded || item.codes == nullptr) continue;
    const Cell cell = CellOf(item.tensor, dim, t, c);
    item.codes[i] = static_cast<uint8_t>(
        CodeOfCell(item.part + static_cast<size_t>(cell.block) * item.at.block_bytes, item.at,
                   format.bits, cell));
  }
  if (item.out_positions != nullptr)
    for (int t = me; t < item.tokens; t += kThreads)
      item.out_positions[t] = reinterpret_cast<const int32_t*>(item.part + item.at.positions)[t];
  if (!coded) return;
  const int columns = format.scale_per == ScalePer::kChannel ? dim : item.part_tokens;
  for (int i = me; i < item.at.scale_rows * columns; i += kThreads) {
    const size_t from = static_cast<size_t>(i / columns) * item.at.scale_stride + i % columns;
    if (item.scales != nullptr)
      item.scales[i] = LoadScale(format, item.part + item.at.scales, from);
    if (item.offsets != nullptr)
      item.offsets[i] =
          LoadOffset(format, item.part + item.at.scales, item.part + item.at.offsets, from);
  }
  const int balanced = format.scale_per == ScalePer::kChannel ? item.tokens : dim;
  for (int i = me; item.balance != nullptr && i < balanced; i += kThreads)
    item.balance[i] =
        format.balance_steps > 0 ? LoadBalance(format, item.part + item.at.balance, i, i) : 1.0f;
  __syncthreads();  // what is exact replaces what was coded
  const int outliers = OutlierCount(item.part, item.at);
  for (int i = me; i < outliers; i += kThreads) {
    const Outlier outlier = OutlierAt(item.part, item.at, format.metadata, i);
    if (outlier.token < item.tokens && outlier.channel < dim)
      item.values[outlier.token * dim + outlier.channel] = outlier.value;
  }
}

QPKV_DEVICE bool IsFinite(float x) { return fabsf(x) < Infinity(); }

// Whether outliers are in order, at places that there are.
QPKV_DEVICE bool OutliersHold(const PartItem& item, int dim) {
  if (item.format.bits == 16 || item.at.outlier_capacity == 0) return true;
  const uint32_t count = *reinterpret_cast<const uint32_t*>(item.part + item.at.outliers);
  if (count > static_cast<uint32_t>(item.at.outlier_capacity)) return false;
  for (int i = static_cast<int>(threadIdx.x); i < static_cast<int>(count); i += kThreads) {
    const Outlier own = OutlierAt(item.part, item.at, item.format.metadata, i);
    if (own.token >= item.tokens || own.channel >= dim || !IsFinite(own.value)) return false;
    if (i == 0) continue;
    const Outlier last = OutlierAt(item.part, item.at, item.format.metadata, i - 1);
    if (own.token * dim + own.channel <= last.token * dim + last.channel) return false;
  }
  return true;
}

QPKV_DEVICE bool IsKeptExactly(const PartItem& item, int t, int c) {
  if (item.format.bits == 16) return false;
  for (int i = 0; i < OutlierCount(item.part, item.at); ++i) {
    const Outlier outlier = OutlierAt(item.part, item.at, item.format.metadata, i);
    if (outlier.token == t && outlier.channel == c) return true;
  }
  return false;
}

// Of this thread's share.
QPKV_DEVICE bool IsSound(const PartItem& item, int dim) {
  const TensorFormat& format = item.format;
  const int me = static_cast<int>(threadIdx.x);
  if (!OutliersHold(item, dim)) return false;
  if (format.bits != 16 && format.zero == ZeroPoint::kInteger)
    for (int i = me; i < item.at.scale_rows * item.at.scale_stride; i += kThreads)
      if (item.part[item.at.offsets + static_cast<size_t>(i)] >= 1 << format.bits) return false;
  if (format.bits != 16 && format.zero == ZeroPoint::kInScale)
    for (int i = me; i < item.at.scale_rows * item.at.scale_stride; i += kThreads)
      if ((ScaleWord(item.part + item.at.scales, static_cast<size_t>(i)) & 15u) >=
          1u << format.bits)
        return false;
  if (item.tensor == Tensor::kKey && item.needs.positions)
    for (int t = me; t < item.tokens; t += kThreads)
      if (reinterpret_cast<const int32_t*>(item.part + item.at.positions)[t] < 0) return false;
  if (item.tensor == Tensor::kKey && item.needs.mask)
    for (int t = item.tokens + me; t < kTileTokens; t += kThreads)
      if (IsValidSlot(item.part, item.at, t)) return false;
  for (int i = me; i < item.tokens * dim; i += kThreads)
    if (!IsFinite(ValueOfCell(item.part, item.at, item.tensor, format, dim, i / dim, i % dim)) &&
        !IsKeptExactly(item, i / dim, i % dim))
      return false;
  return true;
}

// first_bad: the lowest index of a part that may not be read; it holds `none` before.
__global__ void CheckKernel(const PartItem* items, int dim, int32_t* first_bad) {
  if (!IsSound(items[blockIdx.x], dim)) atomicMin(first_bad, static_cast<int32_t>(blockIdx.x));
}

}  // namespace

void Unpack(Stream& stream, const UnpackArgs& a) {
  CudaStream& on = On(stream);
  if (a.count == 0) return;
  std::vector<PartItem> items;
  for (int i = 0; i < a.count; ++i) {
    const UnpackItem& from = a.items.get()[i];
    PartItem item = ItemOf(from.shape, a.dim);
    item.tokens = from.tokens;
    item.part = const_cast<uint8_t*>(from.part);
    item.values = from.values;
    item.codes = from.codes;
    item.scales = from.scales;
    item.offsets = from.offsets;
    item.balance = from.balance;
    item.out_positions = from.positions;
    items.push_back(item);
  }
  const PartItem* sent = on.Send(Slot::kItems, items.data(), items.size());
  if (sent != nullptr) QPKV_LAUNCH(on.queue, UnpackKernel, a.count, kThreads, 0, sent, a.dim);
}

void CheckParts(Stream& stream, const CheckPartsArgs& a) {
  CudaStream& on = On(stream);
  *a.first_bad.get() = -1;
  if (a.count == 0) return;
  std::vector<PartItem> items;
  for (int i = 0; i < a.count; ++i) {
    const CheckItem& from = a.items.get()[i];
    PartItem item = ItemOf(from.shape, a.dim);
    item.tokens = from.tokens;
    item.part = const_cast<uint8_t*>(from.part);
    items.push_back(item);
  }
  int32_t first = a.count;
  const PartItem* sent = on.Send(Slot::kItems, items.data(), items.size());
  int32_t* flag = on.Send(Slot::kFlags, &first, 1);
  if (sent == nullptr || flag == nullptr) return;
  QPKV_LAUNCH(on.queue, CheckKernel, a.count, kThreads, 0, sent, a.dim, flag);
  on.queue.CopyOut(&first, flag, sizeof first);
  if (first < a.count) *a.first_bad.get() = first;
}

}  // namespace cuda
}  // namespace qpkv
