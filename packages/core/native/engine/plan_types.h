// Written by tools/generate-plan.ts from packages/spec/src/plan/layer-plan.ts.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "engine/format_types.h"
#include "engine/score_node.h"

namespace qpkv::plan {

// See LayerPlan.
struct SimulatedBits {
  Bits key_bits{};
  Bits value_bits{};
};
template <class Visit>
void Fields(Visit& visit, SimulatedBits& it) {
  visit("keyBits", it.key_bits);
  visit("valueBits", it.value_bits);
}

// How many tokens a layer keeps, and who shares them.
struct TokenShare {
  enum class Pool : uint8_t { kHead, kLayer, kModel };
  enum class Guard : uint8_t { kLeast };
  enum class Weigh : uint8_t { kTopShare };
  enum class Rounding : uint8_t { kEach };
  // Tokens kept per stored head at the end of prefill, at most: one number for all, or one per
  // head, [storedHeads]. With the pool `layer`: the mean of its heads; with the pool `model` what
  // heads bring into it.
  std::variant<int, std::vector<int>> per_head{};
  // Who shares slots: nobody, the heads of a layer by where its best scores lie, or all layers.
  Pool pool{};
  // With a pool: the part, 0 to 1, of its equal share that a head keeps whatever its scores are.
  double floor{};
  // With a pool: `least` keeps that part of a head's tokens, protected ones counted, and lets heads
  // compete for the rest by their scores alone; left out: a head gets `floor` of its equal share
  // and the rest of what it wins.
  std::optional<Guard> guard{};
  // With a pool: `top-share` multiplies a head's scores by what part of their sum its best ones
  // hold; left out: they compete as they are.
  std::optional<Weigh> weigh{};
  // With a pool: `each` rounds head by head, as a released code does; left out: the sum is exact.
  std::optional<Rounding> rounding{};
  // With `evict: 'fifo'`: tokens per stored head that decode keeps, where the prompt was shorter;
  // left out: `perHead`.
  std::optional<int> capacity{};
};
constexpr std::array<const char*, 3> NamesOf(TokenShare::Pool) {
  return {"head", "layer", "model"};
}
constexpr std::array<const char*, 1> NamesOf(TokenShare::Guard) { return {"least"}; }
constexpr std::array<const char*, 1> NamesOf(TokenShare::Weigh) { return {"top-share"}; }
constexpr std::array<const char*, 1> NamesOf(TokenShare::Rounding) { return {"each"}; }
template <class Visit>
void Fields(Visit& visit, TokenShare& it) {
  visit("perHead", it.per_head);
  visit("pool", it.pool);
  visit("floor", it.floor);
  visit("guard", it.guard);
  visit("weigh", it.weigh);
  visit("rounding", it.rounding);
  visit("capacity", it.capacity);
}

// One stage of a selection.
struct SelectionStage {
  enum class Of : uint8_t { kKept };
  // [storedHeads, tokens], higher is kept; ties break to the lower position.
  std::shared_ptr<const ScoreNode> score{};
  // Part of the slots, above 0 and at most 1; a plan's shares add up to 1, the last stage takes
  // what rounding leaves.
  double share{};
  // `kept`: a part of all tokens that a head keeps; protected ones fill it first.
  std::optional<Of> of{};
};
constexpr std::array<const char*, 1> NamesOf(SelectionStage::Of) { return {"kept"}; }
template <class Visit>
void Fields(Visit& visit, SelectionStage& it) {
  visit("score", it.score);
  visit("share", it.share);
  visit("of", it.of);
}

// Tokens that are never dropped and need no score.
struct Protection {
  // The first ones of the prompt.
  int first{};
  // The last ones of the prompt.
  int last{};
  // Others, ascending; those that a sliding window no longer sees are dropped all the same.
  std::optional<std::vector<int>> positions{};
};
template <class Visit>
void Fields(Visit& visit, Protection& it) {
  visit("first", it.first);
  visit("last", it.last);
  visit("positions", it.positions);
}

// See Eviction.
struct ScoreEviction {
  enum class Measure : uint8_t { kAnew };
  std::shared_ptr<const ScoreNode> by{};
  // Tokens that gather before some leave.
  int every{};
  // Tokens per stored head that decode keeps.
  int capacity{};
  // `anew`: `by` is measured again each time tokens leave, over what the cache holds in the order
  // of positions, by the newest queries; at least as many tokens gather as queries observe. Left
  // out: the scores run on.
  std::optional<Measure> measure{};
};
constexpr std::array<const char*, 1> NamesOf(ScoreEviction::Measure) { return {"anew"}; }
template <class Visit>
void Fields(Visit& visit, ScoreEviction& it) {
  visit("by", it.by);
  visit("every", it.every);
  visit("capacity", it.capacity);
  visit("measure", it.measure);
}

// `fifo`: the oldest token behind the first protected ones leaves. By score: when `every` tokens
// more than `capacity` are there, those with the lowest scores leave: running ones, which begin as
// those of prefill and to which attention of later queries is added, or ones that are measured
// anew.
enum class EvictionName : uint8_t { kNever, kFifo };
constexpr std::array<const char*, 2> NamesOf(EvictionName) { return {"never", "fifo"}; }
using Eviction = std::variant<EvictionName, ScoreEviction>;

// Applied before storing, later tokens included, and undone when reading. `center` subtracts the
// mean of the kept tokens from every channel of a head: 32 bits per channel and head. `hadamard`
// rotates each run of as many channels as the largest power of two that divides the head dimension
// by the Walsh-Hadamard matrix in natural order, divided by the root of their number.
enum class Transform : uint8_t { kNone, kHadamard, kCenter, kCenterHadamard };
constexpr std::array<const char*, 4> NamesOf(Transform) {
  return {"none", "hadamard", "center", "center-hadamard"};
}

// Channels that are multiplied by -1 before the rotation, [headDim] of 1 and -1; left out: none.
using Signs = std::vector<int>;

// What holds for the keys of a layer in every segment.
struct KeyStorage {
  enum class Rope : uint8_t { kAfter, kBefore };
  // Whether keys are stored after or before the rotary embedding.
  Rope rope{};
  Transform transform{};
  std::optional<Signs> signs{};
};
constexpr std::array<const char*, 2> NamesOf(KeyStorage::Rope) { return {"after", "before"}; }
template <class Visit>
void Fields(Visit& visit, KeyStorage& it) {
  visit("rope", it.rope);
  visit("transform", it.transform);
  visit("signs", it.signs);
}

// What holds for the values of a layer in every segment.
struct ValueStorage {
  // None is centred by any engine.
  Transform transform{};
  std::optional<Signs> signs{};
};
template <class Visit>
void Fields(Visit& visit, ValueStorage& it) {
  visit("transform", it.transform);
  visit("signs", it.signs);
}

// How later tokens leave `recent`. Keys: by the groups of their format, by blocks as long as
// `recent`, or never. Values: with the keys' groups, one by one, or never.
struct Residual {
  enum class Keys : uint8_t { kGroup, kBlock, kNever };
  enum class Values : uint8_t { kGroup, kToken, kNever };
  Keys keys{};
  Values values{};
};
constexpr std::array<const char*, 3> NamesOf(Residual::Keys) { return {"group", "block", "never"}; }
constexpr std::array<const char*, 3> NamesOf(Residual::Values) {
  return {"group", "token", "never"};
}
template <class Visit>
void Fields(Visit& visit, Residual& it) {
  visit("keys", it.keys);
  visit("values", it.values);
}

// Part of the packed tokens, above 0 and below 1, rounded down.
struct TierShare {
  double share{};
};
template <class Visit>
void Fields(Visit& visit, TierShare& it) {
  visit("share", it.share);
}

// Packed tokens of each stored head, [storedHeads]; a head that is not listed has none.
struct TierCounts {
  std::vector<int> counts{};
};
template <class Visit>
void Fields(Visit& visit, TierCounts& it) {
  visit("counts", it.counts);
}

// Part of a head's tokens with one format for K and one for V.
struct SegmentPlan {
  enum class Role : uint8_t { kSinks, kPacked, kRecent };
  enum class TokensName : uint8_t { kRest };
  Role role{};
  // Tokens at the end of prefill; `rest` = what the other segments leave; of a tier that is not the
  // last, its part of the packed tokens, or how many of each stored head's. `recent` collects later
  // tokens.
  std::variant<TokensName, int, TierShare, TierCounts> tokens{};
  TensorFormat key{};
  TensorFormat value{};
};
constexpr std::array<const char*, 3> NamesOf(SegmentPlan::Role) {
  return {"sinks", "packed", "recent"};
}
constexpr std::array<const char*, 1> NamesOf(SegmentPlan::TokensName) { return {"rest"}; }
template <class Visit>
void Fields(Visit& visit, SegmentPlan& it) {
  visit("role", it.role);
  visit("tokens", it.tokens);
  visit("key", it.key);
  visit("value", it.value);
}

// One layer: how many tokens, which ones, and how they are stored.
struct LayerPlan {
  enum class Order : uint8_t { kPosition, kScore };
  enum class Positions : uint8_t { kTrue, kCache };
  TokenShare tokens{};
  // Set in a final plan: tokens really kept per stored head.
  std::optional<std::vector<int>> kept{};
  // Code widths of a quantizer that runs in TypeScript (`roundTrip`): the exact formats below hold
  // what reading back gives.
  std::optional<SimulatedBits> simulated{};
  KeyStorage keys{};
  ValueStorage values{};
  // In storage order: `sinks` (optional), `packed`, `recent`. Several `packed` ones are tiers:
  // their tokens are assigned by score, the best to the first; later tokens flush to the last.
  std::vector<SegmentPlan> segments{};
  Residual residual{};
  // How tokens are chosen: each stage fills its share of the slots beside the protected ones with
  // its best scores among the tokens that are left. None: nothing is observed, the lowest positions
  // fill the slots.
  std::vector<SelectionStage> stages{};
  Protection protect{};
  // Blocks of this many consecutive tokens, counted from the prompt's first, are kept whole or not
  // at all: slots that no whole block fills stay empty. Left out: a block may be cut.
  std::optional<int> whole{};
  // Storage order of the kept tokens; `score` = descending score, then the protected last ones
  // (what the original codes do).
  Order order{};
  // What happens when tokens arrive in decode beyond what may be kept.
  Eviction evict{};
  // `true`: keys carry their position in the text. `cache`: their index in the cache (keys are
  // stored before RoPE).
  Positions positions{};
};
constexpr std::array<const char*, 2> NamesOf(LayerPlan::Order) { return {"position", "score"}; }
constexpr std::array<const char*, 2> NamesOf(LayerPlan::Positions) { return {"true", "cache"}; }
template <class Visit>
void Fields(Visit& visit, LayerPlan& it) {
  visit("tokens", it.tokens);
  visit("kept", it.kept);
  visit("simulated", it.simulated);
  visit("keys", it.keys);
  visit("values", it.values);
  visit("segments", it.segments);
  visit("residual", it.residual);
  visit("stages", it.stages);
  visit("protect", it.protect);
  visit("whole", it.whole);
  visit("order", it.order);
  visit("evict", it.evict);
  visit("positions", it.positions);
}

// The plan: all that the engine ever sees of a spec. Plain JSON, saved beside the spec in every
// result file. Names of methods stop here; an unknown or unsupported value is refused with
// KV_UNSUPPORTED, naming the field.
struct CompressionPlan {
  enum class Heads : uint8_t { kKv, kQuery };
  // `kv`: one list of tokens per KV head. `query`: per query head, as the original codes store it.
  Heads heads{};
  int prompt_tokens{};
  // Index after the last token of the last user turn, where an observation counts back from
  // `user-end`; left out: the prompt's end.
  std::optional<int> user_end{};
  // SHA-256 of the calibration that the formats were made from. For reports; engines ignore it.
  std::optional<std::string> calibration{};
  // Facts for reports; engines ignore them.
  std::optional<std::vector<std::string>> notes{};
  std::vector<LayerPlan> layers{};
};
constexpr std::array<const char*, 2> NamesOf(CompressionPlan::Heads) { return {"kv", "query"}; }
template <class Visit>
void Fields(Visit& visit, CompressionPlan& it) {
  visit.Literal("planVersion", 2);
  visit("heads", it.heads);
  visit("promptTokens", it.prompt_tokens);
  visit("userEnd", it.user_end);
  visit("calibration", it.calibration);
  visit("notes", it.notes);
  visit("layers", it.layers);
}

}  // namespace qpkv::plan
