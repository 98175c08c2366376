// Whose queries a block of decode attention looks at, and which tokens they see.
#pragma once
#include "kernels/staged_part.h"
#include "ops/attention_ops.h"

namespace qpkv {
namespace cuda {

constexpr int kRowsAtOnce = 8;
constexpr int kDecodeThreads = 128;

// The query rows of one stored head that a block looks at: row i of them is query head i % group of
// token row i / group.
struct DecodeRows {
  const CacheItem* item;
  const HeadView* head;
  int index;        // of the stored head
  int first, rows;  // at most kRowsAtOnce

  QPKV_ON_DEVICE int TokenRow(int r) const { return (first + r) / item->group; }
  QPKV_ON_DEVICE size_t Column(int r, int dim) const {
    return static_cast<size_t>(index * item->group + (first + r) % item->group) * dim;
  }
  // Tokens [Hidden, Seen) are looked at, evicted ones left out.
  QPKV_ON_DEVICE int Seen(int r) const { return head->tokens - item->rows + TokenRow(r) + 1; }
  QPKV_ON_DEVICE int Hidden(int r) const {
    return item->hidden != nullptr ? item->hidden[index * item->rows + TokenRow(r)] : 0;
  }
};

QPKV_DEVICE DecodeRows RowsAt(const DecodeAttentionArgs& a, int item, int head, int first) {
  DecodeRows rows = {a.items + item, nullptr, head, first, 0};
  if (head >= rows.item->head_count) return rows;
  rows.head = rows.item->heads + head;
  const int left = rows.item->rows * rows.item->group - first;
  rows.rows = left < kRowsAtOnce ? left : kRowsAtOnce;
  return rows;
}

QPKV_DEVICE ReadPart PartOf(const CacheItem& item, Tensor tensor, const Part& part, int dim) {
  const bool key = tensor == Tensor::kKey;
  const TensorFormat format = (key ? item.key_formats : item.value_formats)[part.segment];
  return {part.data, format,
          LayoutOf(tensor, format, part.part_tokens, dim, key ? item.needs : PartNeeds{})};
}

}  // namespace cuda
}  // namespace qpkv
