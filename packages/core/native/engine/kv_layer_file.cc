// A layer's cache as bytes, and back: its parts (part_file.h), then what the host knows of its
// tokens:
//
//   planned bytes, next position and index
//   per head: positions, indices, which are valid, running scores   as far as the layer has them
//   the newest queries and the scale of their logits              with eviction that measures anew
//   CRC-32C of these
#include "base/crc32c.h"
#include "engine/kv_layer.h"
#include "engine/part_file.h"
#include "engine/position_list.h"

namespace qpkv {
namespace {

constexpr uint64_t kMostBytes = uint64_t{1} << 52;

std::vector<uint8_t> BitsOf(const std::vector<uint8_t>& flags) {
  std::vector<uint8_t> bits((flags.size() + 7) / 8);
  for (size_t i = 0; i < flags.size(); ++i)
    if (flags[i] != 0) bits[i / 8] |= static_cast<uint8_t>(1u << (i % 8));
  return bits;
}

std::vector<uint8_t> FlagsOf(const std::vector<uint8_t>& bits, size_t count) {
  if (bits.size() != (count + 7) / 8) ByteReader::Refuse("a list of valid tokens is cut");
  std::vector<uint8_t> flags(count);
  for (size_t i = 0; i < count; ++i) flags[i] = bits[i / 8] >> (i % 8) & 1;
  return flags;
}

}  // namespace

void KvLayer::Write(ByteWriter* out) const {
  WriteParts(*engine_, store_, out);
  const size_t begin = out->size();
  out->Put(static_cast<uint64_t>(planned_));
  out->Put(static_cast<int32_t>(next_position_));
  out->Put(static_cast<int32_t>(next_index_));
  out->Put(static_cast<uint8_t>(track_positions_));
  const std::vector<std::vector<float>> scores =
      by_score() ? running_.Scores(tokens_) : std::vector<std::vector<float>>(tokens_.size());
  for (size_t h = 0; h < tokens_.size(); ++h) {
    WritePositions(tokens_[h].positions, out);
    WritePositions(tokens_[h].indices, out);
    out->PutList(BitsOf(tokens_[h].valid));
    out->PutList(scores[h]);
  }
  if (newest_) {
    out->PutList(newest_->Get());
    out->Put(logit_scale_);
  }
  out->Put(Crc32c(out->data() + begin, out->size() - begin));
}

KvLayer::KvLayer(std::shared_ptr<Engine> engine, std::shared_ptr<const LayerPlan> plan,
                 LayerShape shape, RopeTable rope, int tokens, ByteReader* in)
    : engine_(std::move(engine)),
      plan_(std::move(plan)),
      shape_(shape),
      rope_(rope),
      segments_(*plan_),
      store_(engine_, std::make_shared<FormatTable>(engine_, *plan_), shape.stored_heads(),
             shape.head_dim, NeedsOf(*plan_)),
      tokens_(static_cast<size_t>(shape.stored_heads())),
      running_(engine_) {
  ReadParts(*engine_, in, &store_);
  const size_t begin = in->at();
  const uint8_t* start = in->Skip(0);
  const uint64_t planned = in->Get<uint64_t>();
  next_position_ = in->Get<int32_t>();
  next_index_ = in->Get<int32_t>();
  track_positions_ = in->Get<uint8_t>() != 0;
  if (planned > kMostBytes || next_position_ != tokens || next_index_ < 0 || next_index_ > tokens)
    ByteReader::Refuse("its counters do not belong to its text");
  if (!track_positions_ && (NeedsOf(*plan_).positions || shape_.window > 0))
    ByteReader::Refuse("it lacks positions that its plan needs");
  planned_ = static_cast<size_t>(planned);
  std::vector<std::vector<float>> scores;
  for (int head = 0; head < store_.heads(); ++head) {
    HeadTokens& of = tokens_[head];
    const size_t held = static_cast<size_t>(store_.tokens(head));
    const auto fits = [held](size_t count, bool wanted) {
      if (count != (wanted ? held : 0))
        ByteReader::Refuse("a list of tokens has another length than its parts");
    };
    of.positions = ReadPositions(in, tokens);
    of.indices = ReadPositions(in, tokens);
    of.valid = FlagsOf(in->GetList<uint8_t>(), NeedsOf(*plan_).mask ? held : 0);
    of.evicted = static_cast<int>(std::count(of.valid.begin(), of.valid.end(), uint8_t{0}));
    scores.push_back(in->GetList<float>());
    fits(of.positions.size(), track_positions_);
    fits(of.indices.size(), CachePositions(*plan_));
    fits(scores.back().size(), by_score());
  }
  OpenQueries();
  if (newest_) {
    const std::vector<float> queries = in->GetList<float>();
    const size_t width = static_cast<size_t>(newest_->width());
    if (queries.size() % width != 0 ||
        queries.size() / width > static_cast<size_t>(newest_->most()))
      ByteReader::Refuse("its newest queries are no queries of its layer");
    newest_->Set(queries);
    logit_scale_ = in->Get<float>();
  }
  const uint32_t sum = Crc32c(start, in->at() - begin);
  if (in->Get<uint32_t>() != sum) ByteReader::Refuse("its list of tokens is damaged");
  if (by_score()) running_.Start(std::move(scores));
}

}  // namespace qpkv
