// Decode attention over a layer's cache, and what a sliding window hides and frees. See kv_layer.h.
//
// Sliding windows. Kept tokens lie in position order (other orders are refused where windows are),
// so what a query no longer sees is a prefix of every head's list: its length comes from the
// positions on the host, per query row, and is exact for whatever was pruned. Tiles that no later
// query can see are freed.
#include <algorithm>

#include "engine/kv_layer.h"

namespace qpkv {
namespace {

// Tokens of the ascending list that a query at `position` does not see any more.
int HiddenTokens(const std::vector<int32_t>& positions, int position, int window) {
  const int first_visible = position + 1 - window;
  return static_cast<int>(std::lower_bound(positions.begin(), positions.end(), first_visible) -
                          positions.begin());
}

// The same for `queries` rows of tokens at first_position, first_position + 1, ..., over and over
// for each query head; empty when every row sees the whole list.
std::vector<int32_t> HiddenOfRows(const std::vector<int32_t>& positions, int queries, int rows,
                                  int first_position, int window) {
  std::vector<int32_t> hidden;
  bool any = false;
  for (int i = 0; i < queries && window > 0; ++i) {
    hidden.push_back(HiddenTokens(positions, first_position + i % rows, window));
    any |= hidden.back() > 0;
  }
  return any ? hidden : std::vector<int32_t>();
}

// Largest number of tokens, at most `limit`, that ends a part.
int PrefixOfParts(const PartList& list, int limit) {
  int tokens = 0;
  for (const Part& part : list.parts) {
    if (tokens + part.tokens > limit) break;
    tokens += part.tokens;
  }
  return tokens;
}

void DropPrefix(PartList* list, int tokens) {
  size_t parts = 0;
  for (int dropped = 0; dropped < tokens; ++parts) {
    const int count = list->parts[parts].tokens;
    dropped += count;
    if (static_cast<int>(parts) >= list->recent_begin) list->recent_tokens -= count;
  }
  list->Erase(0, parts);
  list->recent_begin = std::max(0, list->recent_begin - static_cast<int>(parts));
  list->tokens -= tokens;
}

}  // namespace

void KvLayer::Attend(const float* q, int q_stride, float* out, int rows, int first_position,
                     Precision precision, float logit_scale) {
  const Ops& ops = engine_->ops;
  Stream& stream = engine_->stream;
  const int dim = shape_.head_dim, group = shape_.group();
  const size_t size = static_cast<size_t>(shape_.query_heads) * rows * dim;
  const bool many = rows > 1;
  const float* queries = q;
  float* outputs = out;
  if (many) {
    // [rows, queryHeads, dim] -> [queryHeads, rows, dim]: all rows of one stored head in one item
    // share one read of its tiles.
    float* turned = engine_->Floats(Slot::kQueries, size);
    outputs = engine_->Floats(Slot::kOutputs, size);
    ops.StoreHeads(stream, {q, turned, rows, shape_.query_heads, dim, q_stride, rows, 0});
    queries = turned;
  }
  const bool running = plan_->evict == Evict::kLowestScore;
  size_t most = 0;
  for (const KvHead& head : heads_) most = std::max(most, static_cast<size_t>(head.keys.tokens));
  float* mass = running ? engine_->Floats(Slot::kMass, heads_.size() * most) : nullptr;
  std::vector<DecodeItem> items(heads_.size());
  std::vector<std::vector<int32_t>> visible(heads_.size()), hidden(heads_.size());
  std::vector<int32_t> positions;  // of the rows of one stored head: [group, rows]
  for (int i = 0; i < group * rows; ++i)
    positions.push_back((plan_->cache_positions ? next_index_ - rows : first_position) + i % rows);
  for (size_t h = 0; h < heads_.size(); ++h) {
    const KvHead& head = heads_[h];
    DecodeItem& item = items[h];
    item.q = queries + h * group * rows * dim;
    item.out = outputs + h * group * rows * dim;
    item.rows = group * rows;
    item.q_stride = item.out_stride = dim;
    item.head = {head.keys.parts.data(), head.values.parts.data(),
                 static_cast<int32_t>(head.keys.parts.size()),
                 static_cast<int32_t>(head.values.parts.size()), head.keys.tokens};
    for (int i = 0; many && i < group * rows; ++i)
      visible[h].push_back(head.keys.tokens - rows + i % rows + 1);
    hidden[h] = HiddenOfRows(head.positions, group * rows, rows, first_position, shape_.window);
    item.visible = many ? visible[h].data() : nullptr;
    item.hidden = hidden[h].empty() ? nullptr : hidden[h].data();
    item.positions = plan_->RopeBefore() ? positions.data() : nullptr;
    item.token_mass = running ? mass + h * most : nullptr;
  }
  DecodeAttentionArgs args{};
  args.items = items.data();
  args.count = static_cast<int>(items.size());
  args.dim = dim;
  args.scale = logit_scale;
  args.inv_freq = rope_.inv_freq;
  args.rope_scale = rope_.scale;
  args.turned = rope_.turned;
  args.cap = shape_.cap;
  args.precision = precision;
  ops.DecodeAttention(stream, args);
  for (size_t h = 0; running && h < heads_.size(); ++h) AddMass(h, mass + h * most);
  // The same turn with the roles of rows and heads exchanged is its inverse.
  if (many)
    ops.StoreHeads(
        stream, {outputs, out, shape_.query_heads, rows, dim, rows * dim, shape_.query_heads, 0});
}

// Running scores grow by the probabilities of later queries, reduced like the observed ones (a
// maximum over query heads, which has no running form, by their mean).
void KvLayer::AddMass(size_t head, const float* mass) {
  std::vector<float>& scores = heads_[head].scores;
  std::vector<float> added(scores.size());
  engine_->Download(added.data(), mass, added.size() * sizeof(float));
  const float factor =
      plan_->observe.group == Reduce::kSum ? 1.0f : 1.0f / static_cast<float>(shape_.group());
  for (size_t i = 0; i < added.size(); ++i) scores[i] += factor * added[i];
}

void KvLayer::ForgetHidden(int next_position) {
  if (shape_.window == 0 || needs_.mask) return;  // eviction frees tiles by its own rule
  for (KvHead& head : heads_) {
    int drop = HiddenTokens(head.positions, next_position, shape_.window);
    for (int before = -1; before != drop;) {  // a prefix that ends a part in both lists
      before = drop;
      drop = PrefixOfParts(head.values, PrefixOfParts(head.keys, drop));
    }
    if (drop == 0) continue;
    DropPrefix(&head.keys, drop);
    DropPrefix(&head.values, drop);
    head.positions.erase(head.positions.begin(), head.positions.begin() + drop);
    if (plan_->cache_positions)
      head.indices.erase(head.indices.begin(), head.indices.begin() + drop);
  }
}

}  // namespace qpkv
