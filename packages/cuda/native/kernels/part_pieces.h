// The pieces of key and value parts in the order in which a block reads them: blocks of a key part,
// then the values of the same tokens, then the next key part. Two pieces lie in shared memory:
// while one is multiplied, the copies of the next are under way. Thread 0 says what comes after
// that, so that no thread keeps three layouts in registers.
#pragma once
#include "kernels/decode_rows.h"
#include "kernels/decode_tensor.h"

namespace qpkv {
namespace cuda {

struct Piece {
  bool there;  // false: behind the last
  ReadPart part;
  StagedBlocks staged;
  Tensor tensor;
  bool tensor_cores;
  int at_once;                // blocks that pieces of this part have, but perhaps the last
  int begin, end;             // slots of the part that count
  int first;                  // token of the part's slot 0
  int key_first, key_tokens;  // of the key part whose tokens these are
  bool last;                  // of the keys of their part
};

// How parts of a segment are read, kept because one is mostly like the one before.
struct KnownPart {
  int segment, part_tokens;
  ReadPart part;
  bool tensor_cores;
  int at_once;
};

// In shared memory; thread 0 writes it.
struct Pieces {
  Piece of[3];  // what is read, what is copied, what comes then; in turn
  KnownPart known[2];
  int described;           // pieces so far
  int key, value;          // indices of the parts to go on with; value -1: keys come first
  int block;               // of that part
  int seen_from, seen_to;  // tokens that any row looks at lie between them
};
// Without constructors, as shared memory must be.
struct alignas(16) PiecesRoom {
  uint8_t bytes[sizeof(Pieces)];
};

struct PieceReader {
  DecodeRows rows;
  int end;           // of the key parts
  bool with_values;  // else keys alone, also those that no row sees
  int dim;
  Precision precision;
  Pieces* pieces;    // shared
  uint8_t* buffers;  // shared: [2][kBufferBytes]
  int now;
};

// The last part that begins at or before a token.
QPKV_DEVICE int PartWith(const Part* parts, int count, int token) {
  int low = 0, high = count;
  while (high - low > 1) {
    const int middle = low + (high - low) / 2;
    if (parts[middle].first <= token)
      low = middle;
    else
      high = middle;
  }
  return low;
}

// The next blocks of a part, of slots [begin, end).
QPKV_DEVICE void TakeBlocks(const PieceReader& r, Tensor tensor, const Part& part, int begin,
                            int end, Piece* piece) {
  Pieces& all = *r.pieces;
  KnownPart& known = all.known[tensor == Tensor::kKey ? 0 : 1];
  if (known.segment != part.segment || known.part_tokens != part.part_tokens) {
    known.segment = part.segment;
    known.part_tokens = part.part_tokens;
    known.part = PartOf(*r.rows.item, tensor, part, r.dim);
    known.tensor_cores =
        r.precision == Precision::kBf16 && GoesThroughTensorCores(known.part.format, r.dim);
    known.at_once = BlocksAtOnce(known.part, MetaRoom(known.part, known.tensor_cores));
  }
  const int left = (end + kLanes - 1) / kLanes - all.block,
            blocks = left < known.at_once ? left : known.at_once, from = all.block * kLanes,
            to = from + blocks * kLanes;
  piece->there = true;
  piece->part = known.part;
  piece->part.data = part.data;
  piece->staged =
      PlaceBlocks(piece->part, all.block, blocks, r.buffers + all.described % 2 * kBufferBytes);
  piece->tensor = tensor;
  piece->tensor_cores = known.tensor_cores;
  piece->at_once = known.at_once;
  piece->begin = from > begin ? from : begin;
  piece->end = to < end ? to : end;
  piece->first = part.first;
  piece->last = left == blocks;
  all.block += blocks;
  ++all.described;
}

// What comes next. Thread 0.
QPKV_DEVICE void DescribePiece(const PieceReader& r, Piece* piece) {
  Pieces& all = *r.pieces;
  const HeadView& head = *r.rows.head;
  for (; all.key < r.end; ++all.key, all.value = -1, all.block = 0) {
    const Part& key = head.keys[all.key];
    const int tokens = TokensOf(head.keys, head.key_parts, all.key, head.tokens),
              key_end = key.first + tokens;
    if (r.with_values && (key.first >= all.seen_to || key_end <= all.seen_from)) continue;
    piece->key_first = key.first;
    piece->key_tokens = tokens;
    if (all.value < 0) {
      if (all.block * kLanes < tokens) return TakeBlocks(r, Tensor::kKey, key, 0, tokens, piece);
      if (!r.with_values) continue;
      all.value = PartWith(head.values, head.value_parts, key.first);
      all.block = (key.first - head.values[all.value].first) / kLanes;
    }
    for (; all.value < head.value_parts; ++all.value, all.block = 0) {
      const Part& value = head.values[all.value];
      if (value.first >= key_end) break;
      const int value_end =
          value.first + TokensOf(head.values, head.value_parts, all.value, head.tokens);
      const int begin = (value.first > key.first ? value.first : key.first) - value.first;
      const int end = (value_end < key_end ? value_end : key_end) - value.first;
      if (all.block * kLanes < end) return TakeBlocks(r, Tensor::kValue, value, begin, end, piece);
    }
  }
  piece->there = false;
}

// Goes through key parts [begin, end). All threads; NextPiece has the barrier that must follow what
// other shared memory gets in between.
QPKV_DEVICE PieceReader ReadPieces(const DecodeAttentionArgs& a, const DecodeRows& rows, int begin,
                                   int end, bool with_values, PiecesRoom* room, uint8_t* buffers) {
  PieceReader r = {rows,    end, with_values, a.dim, a.precision, reinterpret_cast<Pieces*>(room),
                   buffers, 0};
  Pieces& all = *r.pieces;
  __syncthreads();  // the reader before may be in use
  if (threadIdx.x == 0) {
    all.known[0].segment = all.known[1].segment = -1;
    all.described = 0;
    all.key = begin;
    all.value = -1;
    all.block = 0;
    all.seen_from = rows.Hidden(0);
    all.seen_to = rows.Seen(rows.rows - 1);
    for (int row = 1; row < rows.rows; ++row) {
      const int hidden = rows.Hidden(row);
      all.seen_from = hidden < all.seen_from ? hidden : all.seen_from;
    }
    DescribePiece(r, all.of);
    DescribePiece(r, all.of + 1);
  }
  __syncthreads();
  if (all.of[0].there) CopyBlocks(all.of[0].part, all.of[0].staged);
  return r;
}

// The next piece, which may be read until the next call; null behind the last. All threads.
QPKV_DEVICE const Piece* NextPiece(PieceReader* r) {
  WaitCopies<0>();
  __syncthreads();
  const Piece* piece = r->pieces->of + r->now;
  if (!piece->there) return nullptr;
  const int next = r->now == 2 ? 0 : r->now + 1, then = next == 2 ? 0 : next + 1;
  const Piece& coming = r->pieces->of[next];
  if (coming.there) CopyBlocks(coming.part, coming.staged);
  if (threadIdx.x == 0) DescribePiece(*r, r->pieces->of + then);
  r->now = next;
  return piece;
}

}  // namespace cuda
}  // namespace qpkv
