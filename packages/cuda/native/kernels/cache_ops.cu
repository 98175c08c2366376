// AppendTokens, EvictLowest, UploadPieces: a sequence's cache in the layer loop.
#include "device/warp.h"
#include "kernels/part_cells.h"
#include "kernels/table.h"
#include "kernels/transform.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kThreads = 256;

// One stored head's new keys (blockIdx.z even) or values. A part whose first slot is written is
// cleared before. Blocks (head, item, tensor).
__global__ void AppendKernel(AppendTokensArgs a) {
  QPKV_SHARED(float, row, [kMostDim]);
  const CacheItem& item = a.items[blockIdx.y];
  const int h = static_cast<int>(blockIdx.x), me = static_cast<int>(threadIdx.x);
  if (h >= item.head_count) return;
  const bool key = blockIdx.z == 0;
  const Tensor tensor = key ? Tensor::kKey : Tensor::kValue;
  const HeadView& head = item.heads[h];
  const Part* parts = key ? head.keys : head.values;
  const int count = key ? head.key_parts : head.value_parts, new_first = head.tokens - item.rows;
  const float* rows = (key ? item.keys : item.values) +
                      static_cast<size_t>(h / item.heads_per_source) * item.kv_head_stride;
  const PartNeeds needs = key ? item.needs : PartNeeds{};
  const Transform transform = key ? item.key_transform : item.value_transform;
  for (int i = 0; i < count; ++i) {
    const Part& part = parts[i];
    const int end = i + 1 < count ? parts[i + 1].first : head.tokens;
    if (end <= new_first) continue;
    const TensorFormat& format = (key ? item.key_formats : item.value_formats)[part.segment];
    const PartLayout at = LayoutOf(tensor, format, part.part_tokens, a.dim, needs);
    const int begin = part.first > new_first ? part.first : new_first;
    if (part.first >= new_first) {
      uint32_t* words = reinterpret_cast<uint32_t*>(part.data);
      for (size_t w = static_cast<size_t>(me); w < at.bytes / 4; w += kThreads) words[w] = 0;
      __syncthreads();
    }
    const auto put = [&](int token, int c, float x) {
      const Cell cell = CellOf(tensor, a.dim, token - part.first, c);
      StoreElement(format.element, part.data + static_cast<size_t>(cell.block) * at.block_bytes,
                   ExactCellIndex(format.element, cell), x);
    };
    const auto value = [&](int token, int c) {
      return rows[static_cast<size_t>(token - new_first) * item.kv_stride + c];
    };
    if (transform.none()) {
      for (int x = me; x < (end - begin) * a.dim; x += kThreads)
        put(begin + x / a.dim, x % a.dim, value(begin + x / a.dim, x % a.dim));
    } else {
      for (int token = begin; token < end; ++token) {
        for (int c = me; c < a.dim; c += kThreads) row[c] = value(token, c);
        StoreShared(transform, h, a.dim, row);
        for (int c = me; c < a.dim; c += kThreads) put(token, c, row[c]);
      }
    }
    if (needs.positions)
      for (int token = begin + me; token < end; token += kThreads)
        reinterpret_cast<int32_t*>(part.data + at.positions)[token - part.first] =
            head.last_index - (head.tokens - 1 - token);
    if (needs.mask && me < kTileTokens / 8) {  // a thread per byte of bits
      uint32_t bits = 0;
      for (int b = 0; b < 8; ++b) {
        const int token = part.first + 8 * me + b;
        if (token >= begin && token < end) bits |= 1u << b;
      }
      if (bits != 0) part.data[at.mask + static_cast<size_t>(me)] |= static_cast<uint8_t>(bits);
    }
  }
  if (!key || item.running.scores == nullptr) return;
  const RunningScores& s = item.running;
  for (int r = me; r < item.rows; r += kThreads) {
    const size_t to = static_cast<size_t>(h) * s.stride + new_first + r;
    s.scores[to] = 0;
    s.positions[to] = head.last_position - (item.rows - 1 - r);
    s.valid[to] = 1;
  }
}

// A candidate to leave: the lowest score goes first, of equal ones the newer.
struct EvictionCandidate {
  float score;
  int position, slot;  // slot -1: none
};
struct First {
  QPKV_ON_DEVICE EvictionCandidate operator()(const EvictionCandidate& a,
                                              const EvictionCandidate& b) const {
    if (a.slot < 0 || b.slot < 0) return a.slot < 0 ? b : a;
    if (a.score != b.score) return a.score < b.score ? a : b;
    return a.position > b.position ? a : b;
  }
};

// The position from which on exactly `newest` live tokens lie, or 0 where fewer are alive.
QPKV_DEVICE int NewestFrom(const int32_t* positions, const uint8_t* valid, int tokens, int newest) {
  if (newest <= 0) return 0x7fffffff;
  int low = 0, high = 0x7fffffff;  // at least `newest` lie from low on; fewer from high on
  while (high - low > 1) {
    const int middle = low + (high - low) / 2;
    int count = 0;
    for (int t = static_cast<int>(threadIdx.x); t < tokens; t += kThreads)
      count += valid[t] != 0 && positions[t] >= middle;
    if (BlockSum(count) >= newest)
      low = middle;
    else
      high = middle;
  }
  return low;
}

// Blocks (head, item).
__global__ void EvictKernel(EvictLowestArgs a) {
  const CacheItem& item = a.items[blockIdx.y];
  const RunningScores& s = item.running;
  const int h = static_cast<int>(blockIdx.x), me = static_cast<int>(threadIdx.x);
  if (h >= item.head_count || s.scores == nullptr) return;
  const int tokens = item.heads[h].tokens;
  float* scores = s.scores + static_cast<size_t>(h) * s.stride;
  const int32_t* positions = s.positions + static_cast<size_t>(h) * s.stride;
  uint8_t* valid = s.valid + static_cast<size_t>(h) * s.stride;
  int32_t* evicted = s.evicted + static_cast<size_t>(h) * s.evicted_stride;
  const float* mass = item.token_mass + static_cast<size_t>(h) * item.mass_stride;
  for (int n = me; n < s.evicted_stride; n += kThreads) evicted[n] = -1;
  int live = 0;
  for (int t = me; t < tokens; t += kThreads) {
    const float more = s.factor * mass[t];
    scores[t] = scores[t] + more;
    live += valid[t] != 0;
  }
  live = BlockSum(live);
  // The newest never leave, so they stay the newest.
  const int newest = NewestFrom(positions, valid, tokens, s.protect_last);
  for (int n = 0; n < s.evicted_stride && live > s.capacity; ++n, --live) {
    EvictionCandidate lowest = {0, 0, -1};
    for (int t = me; t < tokens; t += kThreads)
      if (valid[t] != 0 && positions[t] >= s.protect_first && positions[t] < newest)
        lowest = First{}(lowest, {scores[t], positions[t], t});
    lowest = BlockJoin(lowest, First{});
    if (lowest.slot < 0) return;
    if (me == 0) {
      valid[lowest.slot] = 0;
      evicted[n] = lowest.slot;
    }
    __syncthreads();
  }
}

// A block per piece.
__global__ void PiecesKernel(const UploadPiece* pieces, const uint8_t* source) {
  const UploadPiece piece = pieces[blockIdx.x];
  const uint32_t* from = reinterpret_cast<const uint32_t*>(source + piece.offset);
  uint32_t* to = static_cast<uint32_t*>(piece.to);
  for (uint32_t i = threadIdx.x; i < piece.bytes / 4; i += blockDim.x) to[i] = from[i];
}

// Blocks (tokens, head).
__global__ void MoveScoresKernel(MoveScoresItem item, const int32_t* index) {
  const int t = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (t >= item.count) return;
  const int from = index[static_cast<size_t>(blockIdx.y) * item.count + t];
  item.to[static_cast<size_t>(blockIdx.y) * item.to_stride + t] =
      from < 0 ? 0.0f : item.from[static_cast<size_t>(blockIdx.y) * item.from_stride + from];
}

}  // namespace

void MoveScores(Stream& stream, const MoveScoresArgs& a) {
  CudaStream& on = On(stream);
  for (int i = 0; i < a.count; ++i) {
    const MoveScoresItem& item = a.items.get()[i];
    const size_t cells = static_cast<size_t>(item.heads) * item.count;
    if (cells == 0) continue;
    const int32_t* index = on.Send(Slot::kIndex, item.index.get(), cells);
    if (index == nullptr) return;
    QPKV_LAUNCH(on.queue, MoveScoresKernel,
                dim3(BlocksFor(item.count, kThreads), static_cast<unsigned>(item.heads)), kThreads,
                0, item, index);
  }
}

void AppendTokens(Stream& stream, const AppendTokensArgs& a) {
  if (a.count > 0 && a.most_heads > 0)
    QPKV_LAUNCH(On(stream).queue, AppendKernel,
                dim3(static_cast<unsigned>(a.most_heads), static_cast<unsigned>(a.count), 2),
                kThreads, 0, a);
}

void EvictLowest(Stream& stream, const EvictLowestArgs& a) {
  if (a.count > 0 && a.most_heads > 0)
    QPKV_LAUNCH(On(stream).queue, EvictKernel,
                dim3(static_cast<unsigned>(a.most_heads), static_cast<unsigned>(a.count)), kThreads,
                0, a);
}

void UploadPieces(Stream& stream, const UploadPiecesArgs& a) {
  CudaStream& on = On(stream);
  if (a.count == 0) return;
  const UploadPiece* pieces = on.Send(Slot::kItems, a.pieces.get(), static_cast<size_t>(a.count));
  const uint8_t* source = on.Send(Slot::kSource, a.source.get(), a.source_bytes);
  if (pieces != nullptr && source != nullptr)
    QPKV_LAUNCH(on.queue, PiecesKernel, a.count, 64, 0, pieces, source);
}

}  // namespace cuda
}  // namespace qpkv
