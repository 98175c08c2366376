// Saved contexts on their way to bytes and back: they go on as if they had stayed, what is damaged
// is refused, and what is forged with fitting sums is refused or does no harm.
#include "engine/opening.h"

#include <cstring>

#include "base/crc32c.h"
#include "engine/part_file.h"
#include "engine/position_list.h"
#include "test/harness.h"
#include "test/tiny_model.h"

namespace qpkv {
namespace {

using Kept = std::vector<std::vector<int32_t>>;

const Sampling kGreedy{};

// Twenty-four tokens of each head at the end of prefill, packed but for eight; what leaves, leaves
// by `evict`.
CompressionPlan Packed(const Model& model, const plan::Eviction& evict) {
  CompressionPlan plan;
  for (int l = 0; l < model.description.layers; ++l) {
    LayerPlan& layer = plan.layers.emplace_back();
    layer.tokens.per_head = 24;
    layer.evict = evict;
    layer.segments.resize(2);
    SegmentPlan &packed = layer.segments[0], &recent = layer.segments[1];
    plan::PackedFormat four;
    four.bits = 4;
    four.scale_per = ScalePer::kToken;
    four.group = 16;
    packed.role = Role::kPacked;
    packed.key = packed.value = four;
    recent.role = Role::kRecent;
    recent.tokens = 8;
  }
  return plan;
}

std::vector<int32_t> Continue(Context* context, int count) {
  std::vector<int32_t> ids = {context->Sample(kGreedy).id};
  while (static_cast<int>(ids.size()) < count)
    ids.push_back(context->Append(&ids.back(), 1, nullptr, &kGreedy)->id);
  return ids;
}

Kept KeptOf(const KvLayer& layer) {
  Kept kept;
  for (int head = 0; head < layer.shape().stored_heads(); ++head)
    kept.push_back({0, 1, 2, 5, 9, 30 + head});
  return kept;
}

std::vector<uint8_t> Save(Context* context, size_t layer) {
  EngineLock lock(*context->model().engine);
  return WriteLayer(context->layer(layer), KeptOf(context->layer(layer)));
}

std::shared_ptr<Opening> StartOpening(const std::shared_ptr<Model>& model, Context* context,
                                      const CompressionPlan& plan) {
  return std::make_shared<Opening>(model, plan, context->ids(), context->tokens(), ContextMemory{});
}

QPKV_TEST(PositionListsComeBackAndTakeFewBits) {
  Random random(7);
  for (int gap : {1, 2, 5, 60, 100000}) {
    std::vector<int32_t> positions;
    int32_t last = -1;
    for (int i = 0; i < 500; ++i)
      positions.push_back(last +=
                          1 + static_cast<int32_t>(random.Next() % static_cast<unsigned>(gap)));
    if (gap == 5) std::swap(positions[3], positions[400]);  // out of order
    ByteWriter out;
    WritePositions(positions, &out);
    ByteReader in(out.data(), out.size());
    Expect(Label("gap %d", gap), ReadPositions(&in, INT32_MAX) == positions && in.left() == 0);
    if (gap == 1) Expect("a bit each", out.size() < 90);
    if (gap == 2) Expect("two bits each", out.size() < 190);
    ByteReader again(out.data(), out.size());
    bool refused = false;
    try {
      ReadPositions(&again, positions[499]);
    } catch (const Error&) {
      refused = true;
    }
    Expect("beyond the text", refused);
  }
}

QPKV_TEST(OpenedContextsGoOnAsTheyWould) {
  for (const Table& table : AvailableTables())
    for (const char* evict : {"never", "fifo", "by score"}) {
      if (!std::strcmp(table.ops->name, "reference")) continue;
      const auto model = TinyModel(table, 2);
      const CompressionPlan plan = Packed(*model, EvictionNamed(*model, evict, 24));
      const auto made = PrefillAll(model, TinyPrompt(60, model->description.vocab), {plan});
      Context& context = *made[0];
      Continue(&context, 30);
      const auto opening = StartOpening(model, &context, plan);
      for (size_t l = 0; l < context.layer_count(); ++l)
        Expect("kept positions", opening->AddLayer(Save(&context, l)) == KeptOf(context.layer(l)));
      const auto opened = opening->Finish(context.Logits(), context.random);
      const std::string label = Label("%s evict %s", table.ops->name, evict);
      for (size_t l = 0; l < context.layer_count(); ++l)
        Expect(label + ": the same bytes again", Save(opened.get(), l) == Save(&context, l));
      Expect(label + ": the same tokens", Continue(opened.get(), 60) == Continue(&context, 60));
      const std::vector<float> want = context.Logits(), got = opened->Logits();
      ExpectEqualBytes(label + ": logits", got.data(), want.data(), want.size() * sizeof(float));
    }
}

// A layer as bytes, and the sums in it that vouch for what the host reads.
struct Forgery {
  std::vector<uint8_t> bytes;
  size_t state = 0, state_sum = 0, kept_sum = 0;

  Forgery(std::vector<uint8_t> from, size_t parts) : bytes(std::move(from)), state(parts) {
    state_sum = FindSum(state);
    kept_sum = FindSum(state_sum + 4);
  }
  size_t FindSum(size_t begin) const {
    for (size_t at = begin + 1; at + 4 <= bytes.size(); ++at) {
      uint32_t stored;
      std::memcpy(&stored, bytes.data() + at, 4);
      if (stored == Crc32c(bytes.data() + begin, at - begin)) return at;
    }
    return 0;
  }
  void Fix() {
    for (const auto& [begin, at] : {std::pair{state, state_sum}, {state_sum + 4, kept_sum}}) {
      const uint32_t fitting = Crc32c(bytes.data() + begin, at - begin);
      std::memcpy(bytes.data() + at, &fitting, 4);
    }
  }
};

QPKV_TEST(OpeningSurvivesWhatIsForged) {
  for (const char* evict : {"never", "fifo", "by score"}) {
    const auto model = TinyModel(AvailableTables().front(), 1);
    const CompressionPlan plan = Packed(*model, EvictionNamed(*model, evict, 24));
    const auto made = PrefillAll(model, TinyPrompt(60, model->description.vocab), {plan});
    Context& context = *made[0];
    Continue(&context, 30);
    std::vector<std::vector<uint8_t>> layers;
    for (size_t l = 0; l < context.layer_count(); ++l) layers.push_back(Save(&context, l));
    ByteWriter parts;
    WriteParts(*model->engine, context.layer(0).store(), &parts);
    const Forgery good(layers[0], parts.size());
    Expect("the sums are found", good.state_sum > 0 && good.kept_sum > 0);
    Random random(std::strlen(evict));
    int passed = 0, refused = 0;
    for (int i = 0; i < 1000; ++i) {
      Forgery bad = good;
      for (int n = 0; n < 1 + i % 3; ++n)
        bad.bytes[bad.state + random.Next() % (bad.bytes.size() - bad.state)] =
            static_cast<uint8_t>(random.Next() % (i % 2 == 0 ? 256 : 4));
      const bool sealed = i % 4 != 0;
      if (sealed) bad.Fix();
      const auto opening = StartOpening(model, &context, plan);
      try {
        opening->AddLayer(bad.bytes);
      } catch (const Error& error) {
        ++refused;
        Expect("by its code", std::strcmp(error.code(), "KV_DATA") == 0);
        continue;
      }
      ++passed;
      Expect("unsealed only where nothing has changed", sealed || bad.bytes == good.bytes);
      for (size_t l = 1; l < layers.size(); ++l) opening->AddLayer(layers[l]);
      const auto opened = opening->Finish(context.Logits(), context.random);
      try {
        Continue(opened.get(), 20);
      } catch (const Error&) {
        // scores of nonsense may give numbers that are none
      }
    }
    Expect(Label("%d passed, %d refused", passed, refused), passed > 20 && refused > 100);
    for (size_t size = 0; size < layers[0].size(); size += 211) {
      const auto opening = StartOpening(model, &context, plan);
      bool whole = true;
      try {
        opening->AddLayer({layers[0].begin(), layers[0].begin() + static_cast<long>(size)});
      } catch (const Error&) {
        whole = false;
      }
      Expect(Label("cut to %zu", size), !whole);
    }
  }
}

}  // namespace
}  // namespace qpkv
