// Heads of a layer, and which of them the cache stores.
#pragma once

namespace qpkv {

struct LayerShape {
  int query_heads = 0, kv_heads = 0, head_dim = 0;
  bool per_query_head = false;  // one list per query head
  int window = 0;               // sliding window in tokens, 0: none
  float cap = 0;                // soft cap of the scaled logits, 0: none

  int stored_heads() const { return per_query_head ? query_heads : kv_heads; }
  // Query heads that read one stored head.
  int group() const { return query_heads / stored_heads(); }
  // The KV head that a stored head holds.
  int SourceHead(int stored) const { return stored / (stored_heads() / kv_heads); }
};

}  // namespace qpkv
