// Pack and MarkTokens: a block per part.
#include "kernels/pack_balance.h"
#include "kernels/pack_outliers.h"
#include "kernels/table.h"
#include "kernels/transform.h"

namespace qpkv {
namespace cuda {
namespace {

// Floats of scratch that an item works in: scale, offset, zero and spread of every group.
constexpr int kFloatsPerGroup = 3 + static_cast<int>(sizeof(Spread) / sizeof(float));

int GroupsOf(const PartItem& item, int dim) {
  const bool per_channel = item.format.scale_per == ScalePer::kChannel;
  const int along = per_channel ? item.tokens : dim, columns = per_channel ? dim : item.tokens;
  return static_cast<int>(DivideUp(along, item.format.group)) * columns;
}

QPKV_DEVICE void PackExact(const PackWork& w) {
  const PartItem& item = *w.item;
  for (int cell = static_cast<int>(threadIdx.x); cell < item.tokens * w.dim; cell += kPackThreads) {
    const Cell to = CellOf(item.tensor, w.dim, item.first_slot + cell / w.dim, cell % w.dim);
    StoreElement(item.format.element,
                 item.part + static_cast<size_t>(to.block) * item.at.block_bytes,
                 ExactCellIndex(item.format.element, to), w.Exact(cell));
  }
}

// The codes of `bits` bits that lie in one 32-bit word of a block's registers. `shift`: where they
// lie in a whole code. Codes of other tokens stay.
QPKV_DEVICE void PackWord(const PackWork& w, int block, int word, int bits, int shift,
                          uint32_t* registers) {
  const PartItem& item = *w.item;
  const int planes = 16 / bits, lane = word % kLanes, mask = (1 << bits) - 1;
  const int channel_blocks = (w.dim + kLanes - 1) / kLanes;
  uint32_t codes = registers[word];
  for (int plane = 0; plane < planes; ++plane)
    for (int pair = 0; pair < 2; ++pair) {
      const int vector = word / kLanes * planes + plane;
      if (vector >= item.at.vectors) continue;
      const bool key = item.tensor == Tensor::kKey;
      const int in_block = key ? lane : 2 * (vector / channel_blocks) + pair;
      const int c = key ? 2 * vector + pair : vector % channel_blocks * kLanes + lane;
      const int t = block * kLanes + in_block - item.first_slot;
      if (c >= w.dim || t < 0 || t >= item.tokens) continue;
      const int g = w.GroupOfCell(t, c);
      const int code = CodeFor(item.format, w.Value(t * w.dim + c), w.scale[g], w.offset[g]);
      const int at = bits * plane + 16 * pair;
      codes = (codes & ~(static_cast<uint32_t>(mask) << at)) |
              static_cast<uint32_t>(code >> shift & mask) << at;
    }
  registers[word] = codes;
}

QPKV_DEVICE void PackCodes(const PackWork& w) {
  const PartItem& item = *w.item;
  const int me = static_cast<int>(threadIdx.x), bits = item.format.bits;
  const int low_words = static_cast<int>(bits == 3 ? item.at.high_offset : item.at.block_bytes) / 4;
  const int words = static_cast<int>(item.at.block_bytes) / 4;
  for (int i = me; i < item.at.blocks * words; i += kPackThreads) {
    const int block = i / words, word = i % words;
    uint32_t* registers =
        reinterpret_cast<uint32_t*>(item.part + static_cast<size_t>(block) * item.at.block_bytes);
    if (word < low_words)
      PackWord(w, block, word, bits == 3 ? 2 : bits, 0, registers);
    else
      PackWord(w, block, word - low_words, 1, 2, registers + low_words);
  }
  for (int g = me; g < w.groups; g += kPackThreads) {
    const int column = g % w.columns + (w.PerChannel() ? 0 : item.first_slot);
    const size_t index = static_cast<size_t>(g / w.columns) * item.at.scale_stride + column;
    StoreScale(w, index, ScaleToStore(w, g), w.offset[g]);
  }
}

// A block per item.
__global__ void __launch_bounds__(kPackThreads)
    PackKernel(const PartItem* items, const uint8_t* arrays, int dim, float* scratch) {
  QPKV_SHARED(uint32_t, bits, [kMostCells / 32]);
  QPKV_SHARED(float, balance, [kMostDim]);
  const PartItem& item = items[blockIdx.x];
  if (item.first_slot == 0) {
    uint32_t* words = reinterpret_cast<uint32_t*>(item.part);
    for (size_t i = threadIdx.x; i < item.at.bytes / 4; i += kPackThreads) words[i] = 0;
    __syncthreads();
  }
  MarkSlots(item, SentArray<int32_t>(arrays, item.positions),
            SentArray<uint8_t>(arrays, item.valid), true);
  PackWork w = {};
  w.item = &item;
  w.index = SentArray<int32_t>(arrays, item.index);
  w.dim = dim;
  if (item.format.bits == 16) return PackExact(w);
  w.columns = w.PerChannel() ? dim : item.tokens;
  w.groups = ((w.PerChannel() ? item.tokens : dim) + item.format.group - 1) / item.format.group *
             w.columns;
  Spread* spreads = reinterpret_cast<Spread*>(scratch + item.scratch);
  w.scale = reinterpret_cast<float*>(spreads + w.groups);
  w.offset = w.scale + w.groups;
  w.zero = w.offset + w.groups;
  if (item.at.outlier_capacity > 0) {
    FindOutliers(w, spreads, bits);
    w.outlier = bits;
  }
  if (item.format.balance_steps > 0) {
    FindBalance(w, balance);
    w.balance = balance;
  }
  for (int g = static_cast<int>(threadIdx.x); g < w.groups; g += kPackThreads) FindGroup(w, g);
  __syncthreads();
  if (IsProximal(item.format)) SolveProximal(w);
  PackCodes(w);
}

// One row of an item as it is stored, into its own piece of scratch: blocks (item).
__global__ void TransformKernel(const PartItem* items, const uint8_t* arrays, const Transform* all,
                                int dim, float* out) {
  QPKV_SHARED(float, row, [kMostDim]);
  const PartItem& item = items[blockIdx.x];
  if (all[blockIdx.x].none()) return;
  const int32_t* index = SentArray<int32_t>(arrays, item.index);
  for (int t = 0; t < item.tokens; ++t) {
    const size_t from = static_cast<size_t>(index != nullptr ? index[t] : t) * dim;
    for (int c = static_cast<int>(threadIdx.x); c < dim; c += kPackThreads)
      row[c] = item.source[from + c];
    StoreShared(all[blockIdx.x], 0, dim, row);
    for (int c = static_cast<int>(threadIdx.x); c < dim; c += kPackThreads)
      out[item.transformed + static_cast<size_t>(t) * dim + c] = row[c];
  }
}

// A block per item: a thread per channel.
__global__ void MeanKernel(const MeanItem* items, const int64_t* at, const uint8_t* arrays,
                           int dim) {
  const MeanItem& item = items[blockIdx.x];
  const int32_t* index = SentArray<int32_t>(arrays, at[blockIdx.x]);
  for (int c = static_cast<int>(threadIdx.x); c < dim; c += static_cast<int>(blockDim.x)) {
    double sum = 0;
    for (int t = 0; t < item.tokens; ++t)
      sum += item.source[static_cast<size_t>(index[t]) * dim + c];
    item.mean[c] = item.tokens > 0 ? static_cast<float>(sum / item.tokens) : 0.0f;
  }
}

__global__ void MarkKernel(const PartItem* items, const uint8_t* arrays) {
  const PartItem& item = items[blockIdx.x];
  MarkSlots(item, SentArray<int32_t>(arrays, item.positions),
            SentArray<uint8_t>(arrays, item.valid), false);
}

}  // namespace

void Pack(Stream& stream, const PackArgs& a) {
  CudaStream& on = On(stream);
  if (a.count == 0) return;
  std::vector<PartItem> items;
  std::vector<Transform> transforms;
  SentArrays arrays;
  size_t floats = 0, transformed = 0;
  for (int i = 0; i < a.count; ++i) {
    const PackItem& from = a.items.get()[i];
    PartItem item = ItemOf(from.shape, a.dim);
    item.tokens = from.tokens;
    item.first_slot = from.first_slot;
    item.part = from.out;
    item.source = from.source;
    item.index = arrays.Add(from.index, from.tokens);
    item.positions = arrays.Add(from.positions, from.tokens);
    item.valid = arrays.Add(from.valid, from.tokens);
    transforms.push_back(from.transform);
    item.transformed = transformed;
    if (!from.transform.none()) transformed += static_cast<size_t>(from.tokens) * a.dim;
    item.scratch = floats;
    if (item.format.bits != 16)
      floats += AlignUp(static_cast<size_t>(GroupsOf(item, a.dim)) * kFloatsPerGroup, 4);
    items.push_back(item);
  }
  const PartItem* sent = on.Send(Slot::kItems, items.data(), items.size());
  const uint8_t* sent_arrays = arrays.Send(on);
  float* scratch = static_cast<float*>(on.Scratch(Slot::kPartial, floats * sizeof(float)));
  if (sent == nullptr || sent_arrays == nullptr || scratch == nullptr) return;
  if (transformed > 0) {
    const Transform* sent_transforms = on.Send(Slot::kResult, transforms.data(), transforms.size());
    float* rows = static_cast<float*>(on.Scratch(Slot::kSource, transformed * sizeof(float)));
    if (sent_transforms == nullptr || rows == nullptr) return;
    QPKV_LAUNCH(on.queue, TransformKernel, a.count, kPackThreads, 0, sent, sent_arrays,
                sent_transforms, a.dim, rows);
    for (int i = 0; i < a.count; ++i) {
      if (transforms[static_cast<size_t>(i)].none()) continue;
      PartItem& item = items[static_cast<size_t>(i)];
      item.source = rows + item.transformed;
      item.index = -1;
    }
    sent = on.Send(Slot::kItems, items.data(), items.size());
  }
  QPKV_LAUNCH(on.queue, PackKernel, a.count, kPackThreads, 0, sent, sent_arrays, a.dim, scratch);
}

void MeanTokens(Stream& stream, const MeanTokensArgs& a) {
  CudaStream& on = On(stream);
  if (a.count == 0) return;
  SentArrays arrays;
  std::vector<int64_t> at;
  for (int i = 0; i < a.count; ++i)
    at.push_back(arrays.Add(a.items.get()[i].index, a.items.get()[i].tokens));
  const MeanItem* items = on.Send(Slot::kItems, a.items.get(), static_cast<size_t>(a.count));
  const int64_t* sent_at = on.Send(Slot::kResult, at.data(), at.size());
  const uint8_t* sent_arrays = arrays.Send(on);
  if (items != nullptr && sent_at != nullptr && sent_arrays != nullptr)
    QPKV_LAUNCH(on.queue, MeanKernel, a.count, 128, 0, items, sent_at, sent_arrays, a.dim);
}

void MarkTokens(Stream& stream, const MarkArgs& a) {
  CudaStream& on = On(stream);
  if (a.count == 0) return;
  std::vector<PartItem> items;
  SentArrays arrays;
  for (int i = 0; i < a.count; ++i) {
    const MarkItem& from = a.items.get()[i];
    PartItem item = ItemOf(from.shape, a.dim);
    item.tokens = from.tokens;
    item.first_slot = from.first_slot;
    item.part = from.part;
    item.positions = arrays.Add(from.positions, from.tokens);
    item.valid = arrays.Add(from.valid, from.tokens);
    items.push_back(item);
  }
  const PartItem* sent = on.Send(Slot::kItems, items.data(), items.size());
  const uint8_t* sent_arrays = arrays.Send(on);
  if (sent != nullptr && sent_arrays != nullptr)
    QPKV_LAUNCH(on.queue, MarkKernel, a.count, 64, 0, sent, sent_arrays);
}

}  // namespace cuda
}  // namespace qpkv
