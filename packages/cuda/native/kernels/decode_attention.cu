// DecodeAttention: flash decoding over packed parts.
//
// A list is cut into at most kSplits runs of whole key parts; a block reads one run of one stored
// head for up to 8 query rows, so that the query heads of a group share one read. It goes part by
// part: logits, a running maximum, values (part_pieces.h). A second kernel joins the runs in their
// order. Where a plan evicts by score, a third adds up each token's probabilities. The grid depends
// on the arguments alone, never on lengths, so a Replay holds for every token.
#include "kernels/decode_values.h"
#include "kernels/table.h"

namespace qpkv {
namespace cuda {
namespace {

constexpr int kSplits = 32;
constexpr int kFewestParts = 2;  // of a run: the sums it leaves must be few beside what it read

struct Run {
  int begin, end;  // key parts
};
QPKV_DEVICE Run RunOf(const HeadView& head, int split) {
  int each = (head.key_parts + kSplits - 1) / kSplits;
  each = each < kFewestParts ? kFewestParts : each;
  const int begin = split * each, end = begin + each;
  return {begin, end < head.key_parts ? end : head.key_parts};
}

// What blocks leave for each other.
struct Partial {
  float* sums;   // [count, heads, rows, kSplits, dim]: not divided by the sum
  float* most;   // [count, heads, rows, kSplits]
  float* total;  // [count, heads, rows, kSplits]: sums of exp(logit - most); 0: nothing was seen
  float* lse;    // [count, heads, rows]
  int rows;      // most_rows * most_group

  QPKV_ON_DEVICE size_t Row(const DecodeAttentionArgs& a, int item, int head, int row) const {
    return (static_cast<size_t>(item) * a.most_heads + head) * rows + row;
  }
};

// Turns logits p into exp(logit - most) under the running maximum; most, total, kept:
// [kRowsAtOnce], kept: the factor of what was summed before. All threads; ends with a barrier.
QPKV_DEVICE void Exponentiate(float* p, float* most, float* total, float* kept) {
  for (int r = WarpId(); r < kRowsAtOnce; r += kDecodeThreads / kWarp) {
    float* row = p + r * kLogitPitch;
    float largest = most[r];
    for (int t = LaneId(); t < kTileTokens; t += kWarp) largest = fmaxf(largest, row[t]);
    largest = WarpMax(largest);
    float sum = 0;
    for (int t = LaneId(); t < kTileTokens; t += kWarp) {
      row[t] = row[t] == -Infinity() ? 0.0f : expf(row[t] - largest);
      sum += row[t];
    }
    sum = WarpSum(sum);
    if (LaneId() != 0) continue;
    const float factor = most[r] == largest ? 1.0f : expf(most[r] - largest);
    kept[r] = factor;
    most[r] = largest;
    total[r] = total[r] * factor + sum;
  }
  __syncthreads();
}

// What a block has in dynamic shared memory.
struct DecodeRoom {
  uint8_t* buffers;  // [2][kBufferBytes]
  uint8_t* work;     // [kWorkBytes]
  float* p;          // [kRowsAtOnce][kLogitPitch]
  Queries q;
};
constexpr size_t DecodeRoomBytes(size_t dim) {
  return 2 * kBufferBytes + kWorkBytes +
         sizeof(float) * (kRowsAtOnce * kLogitPitch + QueryFloats(dim));
}
QPKV_DEVICE DecodeRoom DecodeRoomAt(uint8_t* shared, int dim) {
  uint8_t* work = shared + 2 * kBufferBytes;
  float* p = reinterpret_cast<float*>(work + kWorkBytes);
  return {shared, work, p, QueriesAt(p + kRowsAtOnce * kLogitPitch, dim)};
}

// Blocks (run, head, item x chunk of rows).
__global__ void __launch_bounds__(kDecodeThreads, 2)
    SplitKernel(DecodeAttentionArgs a, Partial partial, int chunks) {
  QPKV_DYNAMIC_SHARED(shared);
  QPKV_SHARED(PiecesRoom, pieces, [1]);
  QPKV_SHARED(float, most, [kRowsAtOnce]);
  QPKV_SHARED(float, total, [kRowsAtOnce]);
  QPKV_SHARED(float, kept, [kRowsAtOnce]);
  const DecodeRoom room = DecodeRoomAt(shared, a.dim);
  const int split = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y),
            item = static_cast<int>(blockIdx.z) / chunks, me = static_cast<int>(threadIdx.x);
  const DecodeRows rows =
      RowsAt(a, item, head, static_cast<int>(blockIdx.z) % chunks * kRowsAtOnce);
  if (rows.rows <= 0) return;
  const Run run = RunOf(*rows.head, split);
  PieceReader reader = ReadPieces(a, rows, run.begin, run.end, true, pieces, room.buffers);
  if (me < kRowsAtOnce) most[me] = -Infinity(), total[me] = 0;
  LoadQueries(rows, a.dim, room.q);
  ValueSums sums = {};
  while (const Piece* piece = NextPiece(&reader)) {
    if (piece->tensor == Tensor::kValue) {
      AddPieceValues(*piece, a.dim, room.p, room.work, &sums);
      continue;
    }
    PieceLogits(rows, a, *piece, room.q, room.work, room.p);
    if (!piece->last) continue;
    __syncthreads();
    Exponentiate(room.p, most, total, kept);
    ScaleSums(kept, &sums);
  }
  float* slices = reinterpret_cast<float*>(room.work);
  float* tensor = reinterpret_cast<float*>(shared);  // [kRowsAtOnce][dim], where parts were staged
  StoreTensorSums(sums, a.dim, tensor);
  // The slices of a channel are added in order.
  const ValueThreads threads = ValueThreadsOf(a.dim);
  const int mine = me % threads.width, slice = me / threads.width;
  for (int j = 0; j < kChannelsEach; ++j) {
    for (int r = 0; r < kRowsAtOnce; ++r)
      slices[(slice * kRowsAtOnce + r) * threads.width + mine] = sums.of[j][r];
    __syncthreads();
    const int c = mine + j * kDecodeThreads;
    for (int r = slice; r < rows.rows && c < a.dim; r += threads.slices) {
      float sum = tensor[r * a.dim + c];
      for (int s = 0; s < threads.slices; ++s)
        sum += slices[(s * kRowsAtOnce + r) * threads.width + mine];
      partial.sums[(partial.Row(a, item, head, rows.first + r) * kSplits + split) * a.dim + c] =
          sum;
    }
    __syncthreads();
  }
  if (me >= rows.rows) return;
  const size_t row = partial.Row(a, item, head, rows.first + me) * kSplits + split;
  partial.most[row] = most[me];
  partial.total[row] = total[me];
}

// Blocks (row, head, item).
__global__ void __launch_bounds__(kDecodeThreads, 2)
    JoinKernel(DecodeAttentionArgs a, Partial partial) {
  QPKV_SHARED(float, row_out, [kMostDim]);
  const int row = static_cast<int>(blockIdx.x), head = static_cast<int>(blockIdx.y),
            item = static_cast<int>(blockIdx.z);
  const DecodeRows rows = RowsAt(a, item, head, row);
  if (rows.rows <= 0) return;
  const size_t at = partial.Row(a, item, head, row);
  const float* most = partial.most + at * kSplits;
  const float* total = partial.total + at * kSplits;
  const int each = RunOf(*rows.head, 0).end;
  const int runs = each == 0 ? 0 : (rows.head->key_parts + each - 1) / each;
  float largest = -Infinity(), sum = 0;
  for (int s = 0; s < runs; ++s) largest = fmaxf(largest, most[s]);
  for (int s = 0; s < runs; ++s)
    if (total[s] > 0) sum += total[s] * expf(most[s] - largest);
  for (int c = static_cast<int>(threadIdx.x); c < a.dim; c += kDecodeThreads) {
    float x = 0;
    for (int s = 0; s < runs; ++s)
      if (total[s] > 0) x += partial.sums[(at * kSplits + s) * a.dim + c] * expf(most[s] - largest);
    row_out[c] = sum > 0 ? x / sum : 0.0f;
  }
  // What was summed is values as they are stored.
  if (sum > 0 && !rows.item->value_transform.none())
    RestoreShared(rows.item->value_transform, head, a.dim, row_out);
  float* out = rows.item->out + static_cast<size_t>(rows.TokenRow(0)) * rows.item->out_stride +
               rows.Column(0, a.dim);
  for (int c = static_cast<int>(threadIdx.x); c < a.dim; c += kDecodeThreads) out[c] = row_out[c];
  if (threadIdx.x == 0) partial.lse[at] = sum > 0 ? largest + logf(sum) : -Infinity();
}

// Blocks (run, head, item): each token's probabilities, summed over the head's rows.
__global__ void __launch_bounds__(kDecodeThreads, 2)
    MassKernel(DecodeAttentionArgs a, Partial partial) {
  QPKV_DYNAMIC_SHARED(shared);
  QPKV_SHARED(PiecesRoom, pieces, [1]);
  const DecodeRoom room = DecodeRoomAt(shared, a.dim);
  const int head = static_cast<int>(blockIdx.y), item = static_cast<int>(blockIdx.z),
            me = static_cast<int>(threadIdx.x);
  DecodeRows rows = RowsAt(a, item, head, 0);
  if (rows.rows <= 0 || rows.item->token_mass == nullptr) return;
  float* mass = rows.item->token_mass + static_cast<size_t>(head) * rows.item->mass_stride;
  const Run run = RunOf(*rows.head, static_cast<int>(blockIdx.x));
  for (int first = 0; first < rows.item->rows * rows.item->group; first += kRowsAtOnce) {
    rows = RowsAt(a, item, head, first);
    PieceReader reader = ReadPieces(a, rows, run.begin, run.end, false, pieces, room.buffers);
    LoadQueries(rows, a.dim, room.q);
    while (const Piece* piece = NextPiece(&reader)) {
      PieceLogits(rows, a, *piece, room.q, room.work, room.p);
      if (!piece->last) continue;
      __syncthreads();
      if (me >= piece->key_tokens) continue;
      // A token is the same thread's in every chunk of rows.
      float sum = first == 0 ? 0.0f : mass[piece->key_first + me];
      for (int r = 0; r < rows.rows; ++r) {
        const float logit = room.p[r * kLogitPitch + me];
        const float lse = partial.lse[partial.Row(a, item, head, first + r)];
        if (logit != -Infinity()) sum += expf(logit - lse);
      }
      mass[piece->key_first + me] = sum;
    }
  }
}

}  // namespace

static_assert(kDecodeThreads == kTileTokens, "a thread per token of a part");

void DecodeAttention(Stream& stream, const DecodeAttentionArgs& a) {
  CudaStream& on = On(stream);
  const int rows = a.most_rows * a.most_group;
  if (a.count == 0 || a.most_heads == 0 || rows == 0) return;
  const size_t all = static_cast<size_t>(a.count) * a.most_heads * rows;
  float* memory = static_cast<float*>(on.Scratch(
      Slot::kPartial, sizeof(float) * all * (kSplits * (static_cast<size_t>(a.dim) + 2) + 1)));
  if (memory == nullptr) return;
  Partial partial;
  partial.sums = memory;
  partial.most = partial.sums + all * kSplits * a.dim;
  partial.total = partial.most + all * kSplits;
  partial.lse = partial.total + all * kSplits;
  partial.rows = rows;
  const unsigned heads = static_cast<unsigned>(a.most_heads),
                 count = static_cast<unsigned>(a.count);
  const int chunks = (rows + kRowsAtOnce - 1) / kRowsAtOnce;
  const size_t shared = DecodeRoomBytes(static_cast<size_t>(a.dim));
  QPKV_LAUNCH(on.queue, SplitKernel, dim3(kSplits, heads, count * static_cast<unsigned>(chunks)),
              kDecodeThreads, shared, a, partial, chunks);
  QPKV_LAUNCH(on.queue, JoinKernel, dim3(static_cast<unsigned>(rows), heads, count), kDecodeThreads,
              0, a, partial);
  QPKV_LAUNCH(on.queue, MassKernel, dim3(kSplits, heads, count), kDecodeThreads, shared, a,
              partial);
}

}  // namespace cuda
}  // namespace qpkv
