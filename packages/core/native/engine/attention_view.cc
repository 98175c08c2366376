// See attention_view.h.
#include "engine/attention_view.h"

#include <algorithm>

namespace qpkv {
namespace {

// Tokens of the ascending list that a query at `position` does not see any more.
int HiddenFrom(const std::vector<int32_t>& positions, int position, int window) {
  const int first_visible = position + 1 - window;
  return static_cast<int>(std::lower_bound(positions.begin(), positions.end(), first_visible) -
                          positions.begin());
}

// Largest number of tokens, at most `limit`, that ends a part.
int PrefixOfParts(const PartList& list, int limit) {
  int tokens = 0;
  for (const StoredPart& part : list.parts) {
    if (tokens + part.tokens > limit) break;
    tokens += part.tokens;
  }
  return tokens;
}

size_t PartsOf(const PartList& list, int tokens) {
  size_t parts = 0;
  while (parts < list.parts.size() && list.parts[parts].first < tokens) ++parts;
  return parts;
}

}  // namespace

CacheItem ViewOf(const PartStore& store, const LayerShape& shape, const StepRows& rows) {
  CacheItem item{};
  item.heads = store.views();
  item.key_formats = store.formats().OnDevice(Tensor::kKey);
  item.value_formats = store.formats().OnDevice(Tensor::kValue);
  item.q = rows.q;
  item.out = rows.out;
  item.keys = rows.keys;
  item.values = rows.values;
  item.rows = rows.rows;
  item.head_count = shape.stored_heads();
  item.group = shape.group();
  item.q_stride = rows.q_stride;
  item.out_stride = rows.out_stride;
  item.kv_stride = rows.kv_stride;
  item.kv_head_stride = rows.kv_head_stride;
  item.heads_per_source = rows.per_stored_head ? 1 : shape.stored_heads() / shape.kv_heads;
  item.needs = store.needs(Tensor::kKey);
  item.key_transform = store.TransformOf(Tensor::kKey);
  item.value_transform = store.TransformOf(Tensor::kValue);
  return item;
}

std::vector<int32_t> HiddenTokens(const std::vector<HeadTokens>& tokens, int rows,
                                  int last_position, int window) {
  std::vector<int32_t> hidden;
  bool any = false;
  for (const HeadTokens& head : tokens)
    for (int r = 0; r < rows && window > 0; ++r) {
      hidden.push_back(HiddenFrom(head.positions, last_position - rows + 1 + r, window));
      any |= hidden.back() > 0;
    }
  return any ? hidden : std::vector<int32_t>();
}

void FreeHidden(int next_position, int window, std::vector<HeadTokens>* tokens, PartStore* store) {
  for (int head = 0; head < store->heads(); ++head) {
    HeadTokens& of = (*tokens)[head];
    const PartList& keys = store->list(head, Tensor::kKey);
    const PartList& values = store->list(head, Tensor::kValue);
    int drop = HiddenFrom(of.positions, next_position, window);
    for (int before = -1; before != drop;) {  // a prefix that ends a part in both lists
      before = drop;
      drop = PrefixOfParts(values, PrefixOfParts(keys, drop));
    }
    if (drop == 0) continue;
    store->Erase(head, Tensor::kKey, 0, PartsOf(keys, drop));
    store->Erase(head, Tensor::kValue, 0, PartsOf(values, drop));
    of.Erase(0, drop);
  }
}

}  // namespace qpkv
