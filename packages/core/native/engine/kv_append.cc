// Later tokens of a layer's cache: exactly, at the end of `recent`. See kv_layer.h.
#include <algorithm>

#include "engine/kv_layer.h"

namespace qpkv {

Part KvLayer::NewPart(Tensor tensor, const TensorFormat& format, int part_tokens, BlockRef* block) {
  const size_t bytes = LayoutOf(tensor, format, part_tokens, shape_.head_dim, needs(tensor)).bytes;
  *block = pool_->Take(bytes);
  // Slots without a token hold zeros, also in the valid mask.
  engine_->ops.Zero(engine_->stream, (*block)->data, bytes);
  Part part{};
  part.data = (*block)->data;
  part.format = &format;
  part.part_tokens = part_tokens;
  part.needs = needs(tensor);
  return part;
}

// A part that is about to be written may be shared with a fork: this context gets its own copy.
void KvLayer::MakeWritable(PartList* list, size_t part) {
  BlockRef& block = list->blocks[part];
  if (block.use_count() == 1) return;
  BlockRef copy = pool_->Take(block->bytes);
  engine_->ops.Copy(engine_->stream, copy->data, block->data, block->bytes);
  list->parts[part].data = copy->data;
  block = std::move(copy);
}

UnpackArgs KvLayer::UnpackOf(Tensor tensor, const Part& part, float* values) const {
  UnpackArgs args{};
  args.part = part.data;
  args.tokens = part.tokens;
  args.part_tokens = part.part_tokens;
  args.dim = shape_.head_dim;
  args.tensor = tensor;
  args.format = part.format;
  args.needs = part.needs;
  args.values = values;
  return args;
}

void KvLayer::ReadValues(Tensor tensor, const Part& part, float* out) const {
  engine_->ops.Unpack(engine_->stream, UnpackOf(tensor, part, out));
}

// Exact segments without a limit grow their last tile by doubling until it has 128 slots. Reading
// an exact part back and storing it again changes no value.
void KvLayer::GrowLast(PartList* list, Tensor tensor, int wanted) {
  const Part old = list->parts.back();
  const int doubled =
      std::max(2 * old.part_tokens, static_cast<int>(AlignUp(old.tokens + wanted, kLanes)));
  BlockRef block;
  Part part = NewPart(tensor, *old.format, std::min(kTileTokens, doubled), &block);
  float* values =
      engine_->Floats(Slot::kUnpackKeys, static_cast<size_t>(kTileTokens) * shape_.head_dim);
  ReadValues(tensor, old, values);
  std::vector<int32_t> positions(static_cast<size_t>(old.tokens));
  if (old.needs.positions) {
    const PartLayout at =
        LayoutOf(tensor, *old.format, old.part_tokens, shape_.head_dim, old.needs);
    engine_->Download(positions.data(), old.data + at.positions,
                      positions.size() * sizeof(int32_t));
  }
  Pack({ItemFor(tensor, part, block, values, old.needs.positions ? positions.data() : nullptr,
                old.tokens)});
  part.tokens = old.tokens;
  list->parts.back() = part;
  list->blocks.back() = std::move(block);
}

void KvLayer::AppendTo(int head, Tensor tensor, const ExactTokens& exact, const int32_t* positions,
                       std::vector<PackItem>* items) {
  const TensorFormat& format = tensor == Tensor::kKey ? recent().key.format : recent().value.format;
  PartList& list = heads_[static_cast<size_t>(head)].list(tensor);
  const float* source = SourceOf(head, tensor, exact);
  // Tokens that will be coded soon lie in small tiles; an exact cache grows its tiles up to full
  // size.
  const bool unlimited =
      (recent().tokens < 0 || plan_->residual == Residual::kNever) && !needs_.mask;
  for (int done = 0; done < exact.tokens;) {
    const int left = exact.tokens - done;
    const bool has_part = static_cast<int>(list.parts.size()) > list.recent_begin;
    if (has_part && unlimited && list.parts.back().part_tokens < kTileTokens &&
        list.parts.back().tokens + left > list.parts.back().part_tokens)
      GrowLast(&list, tensor, left);
    if (!has_part || list.parts.back().tokens == list.parts.back().part_tokens) {
      BlockRef block;
      Part part = NewPart(tensor, format,
                          std::min(kTileTokens, static_cast<int>(AlignUp(left, kLanes))), &block);
      list.Insert(list.parts.size(), part, std::move(block));
    } else {
      MakeWritable(&list, list.parts.size() - 1);
    }
    Part& part = list.parts.back();
    const int count = std::min(left, part.part_tokens - part.tokens);
    items->push_back(ItemFor(tensor, part, list.blocks.back(),
                             source + static_cast<size_t>(done) * shape_.head_dim,
                             needs(tensor).positions ? positions + done : nullptr, count));
    part.tokens += count;
    list.tokens += count;
    list.recent_tokens += count;
    done += count;
  }
}

void KvLayer::Append(const ExactTokens& exact) {
  const auto count_from = [&](int first) {
    std::vector<int32_t> positions(static_cast<size_t>(exact.tokens));
    for (int i = 0; i < exact.tokens; ++i) positions[static_cast<size_t>(i)] = first + i;
    return positions;
  };
  const std::vector<int32_t> positions = count_from(exact.first_position);
  const std::vector<int32_t> indices = count_from(next_index_);
  std::vector<PackItem> items;
  for (int head = 0; head < shape_.stored_heads(); ++head) {
    KvHead& to = heads_[static_cast<size_t>(head)];
    const int32_t* stored = plan_->cache_positions ? indices.data() : positions.data();
    AppendTo(head, Tensor::kKey, exact, stored, &items);
    AppendTo(head, Tensor::kValue, exact, stored, &items);
    if (track_positions_)
      to.positions.insert(to.positions.end(), positions.begin(), positions.end());
    if (plan_->cache_positions) to.indices.insert(to.indices.end(), indices.begin(), indices.end());
    if (needs_.mask) {
      to.valid.insert(to.valid.end(), positions.size(), 1);
      to.scores.insert(to.scores.end(), positions.size(), 0.0f);
    }
  }
  Pack(items);
  next_index_ += exact.tokens;
}

}  // namespace qpkv
