// Step: sequences advance together as they would alone, what the host reads and sends per token,
// and that nothing runs outside of it.
#include "engine/step.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "test/harness.h"
#include "test/tiny_model.h"
#include "test/watched_ops.h"

namespace qpkv {
namespace {

const Sampling kGreedy{};

std::vector<int32_t> Continue(Context* context, int count) {
  std::vector<int32_t> ids = {context->Sample(kGreedy).id};
  while (static_cast<int>(ids.size()) < count)
    ids.push_back(context->Append(&ids.back(), 1, nullptr, &kGreedy)->id);
  return ids;
}

// Four sequences of different lengths decode in common steps.
QPKV_TEST(StepTogetherAsAlone) {
  for (const Table& table : EngineTables()) {
    if (!std::strcmp(table.ops->name, "reference")) continue;
    const auto model = TinyModel(table, 2);
    const int vocab = model->description.vocab, layers = model->description.layers;
    std::vector<std::shared_ptr<Context>> together, alone;
    for (int i = 0; i < 4; ++i) {
      const auto made =
          PrefillAll(model, TinyPrompt(5 + 40 * i, vocab, i), {FullPlan(*model), FullPlan(*model)});
      together.push_back(made[0]), alone.push_back(made[1]);
    }
    std::vector<std::vector<int32_t>> want, got(4);
    for (const auto& context : alone) want.push_back(Continue(context.get(), 12));
    std::vector<Buffer> logits;
    for (int i = 0; i < 4; ++i) {
      logits.emplace_back(model->engine->device, sizeof(float) * vocab);
      got[static_cast<size_t>(i)] = {together[static_cast<size_t>(i)]->Sample(kGreedy).id};
    }
    for (int step = 0; step < 11; ++step) {
      EngineLock lock(*model->engine);
      std::vector<Work> work;
      for (size_t i = 0; i < 4; ++i) {
        Work w;
        w.sequence = together[i].get();
        w.to = layers;
        w.first = together[i]->tokens() + step;
        w.rows = 1;
        w.ids = &got[i].back();
        w.last_logits = logits[i].floats();
        w.sampling = &kGreedy;
        work.push_back(w);
      }
      const std::vector<Outcome> outcomes = Step(*model, work);
      for (size_t i = 0; i < 4; ++i) {
        Expect("sound", !outcomes[i].error);
        got[i].push_back(outcomes[i].sampled.id);
      }
    }
    for (size_t i = 0; i < 4; ++i) {
      Expect(Label("%s sequence %zu", table.ops->name, i), got[i] == want[i]);
      std::vector<float> shared(static_cast<size_t>(vocab));
      {
        EngineLock lock(*model->engine);
        model->engine->Download(shared.data(), logits[i].data(), logits[i].bytes());
      }
      const std::vector<float> own = alone[i]->Logits();
      ExpectEqualBytes(Label("%s logits %zu", table.ops->name, i), shared.data(), own.data(),
                       logits[i].bytes());
    }
  }
}

// One upload and one read-back a token, however many layers there are.
QPKV_TEST(StepTransfersPerToken) {
  for (int layers : {2, 6}) {
    WatchedOps watched(EngineTables().front());
    TinyShape shape;
    shape.layers = layers;
    const auto model = TinyModel(watched.table(), 1, shape);
    const auto contexts = PrefillAll(model, TinyPrompt(100, shape.vocab), {FullPlan(*model)});
    Context& context = *contexts[0];
    int32_t id = context.Sample(kGreedy).id;
    // The cache opens a part now and then; a token in the middle of one is looked at.
    for (int i = 0; i < 3; ++i) id = context.Append(&id, 1, nullptr, &kGreedy)->id;
    const WatchedCounts before = watched.counts();
    id = context.Append(&id, 1, nullptr, &kGreedy)->id;
    const WatchedCounts after = watched.counts();
    Expect(Label("%d layers: one read-back", layers), after.downloads - before.downloads == 1);
    // The step's state, and what changed in the tables of all layers.
    Expect(Label("%d layers: one upload", layers), after.uploads - before.uploads == 1);
  }
}

// Eight sequences share each product of a layer: weights are read once a step.
QPKV_TEST(StepReadsWeightsOnceForAll) {
  WatchedOps watched(AvailableTables().front());
  TinyShape shape;
  shape.layers = 3;
  const auto model = TinyModel(watched.table(), 1, shape);
  const auto products = [&](int sequences) {
    std::vector<std::shared_ptr<Context>> contexts;
    std::vector<Work> work(static_cast<size_t>(sequences));
    Buffer logits(model->engine->device,
                  sizeof(float) * static_cast<size_t>(sequences * shape.vocab));
    const int32_t id = 3;
    for (int i = 0; i < sequences; ++i) {
      contexts.push_back(
          PrefillAll(model, TinyPrompt(10 + 3 * i, shape.vocab, i), {FullPlan(*model)})[0]);
      Work& w = work[static_cast<size_t>(i)];
      w.sequence = contexts.back().get();
      w.to = shape.layers;
      w.first = 10 + 3 * i;
      w.rows = 1;
      w.ids = &id;
      w.last_logits = logits.floats() + i * shape.vocab;
      w.sampling = &kGreedy;
    }
    const uint64_t before = watched.counts().products;
    EngineLock lock(*model->engine);
    for (const Outcome& outcome : Step(*model, work)) Expect("sound", !outcome.error);
    return watched.counts().products - before;
  };
  const uint64_t one = products(1), eight = products(8);
  // q, k and v; output; gate and up; down: of each layer; and the head.
  Expect(Label("%d products for one", static_cast<int>(one)),
         one == static_cast<uint64_t>(4 * shape.layers + 1));
  Expect(Label("%d products for eight", static_cast<int>(eight)), eight == one);
}

// Every layer keeps `tokens` of each head; what leaves, leaves by `evict`.
CompressionPlan Keeping(const Model& model, int tokens, const plan::Eviction& evict) {
  CompressionPlan plan = FullPlan(model);
  for (LayerPlan& layer : plan.layers) {
    layer.tokens.per_head = tokens;
    layer.evict = evict;
  }
  return plan;
}

// Whatever leaves and whatever is packed together behind it: one upload and one read-back each.
QPKV_TEST(StepTransfersWhereTokensLeave) {
  for (const char* name : {"never", "fifo", "by score"}) {
    WatchedOps watched(EngineTables().front());
    const auto model = TinyModel(watched.table(), 2);
    const plan::Eviction evict = EvictionNamed(*model, name, 60);
    const auto contexts =
        PrefillAll(model, TinyPrompt(60, model->description.vocab), {Keeping(*model, 60, evict)});
    Context& context = *contexts[0];
    int32_t id = context.Sample(kGreedy).id;
    int uploads = 0, downloads = 0;
    for (int i = 0; i < 150; ++i) {
      const WatchedCounts before = watched.counts();
      id = context.Append(&id, 1, nullptr, &kGreedy)->id;
      uploads += watched.counts().uploads - before.uploads != 1;
      downloads += watched.counts().downloads - before.downloads != 1;
    }
    Expect(Label("evict %s: one upload each", name), uploads == 0);
    Expect(Label("evict %s: one read-back each", name), downloads == 0);
    Expect("tokens left where they should",
           (context.Facts().kept[0][0] == 60) == (std::string(name) != "never"));
  }
}

// The most ops that one of 150 tokens calls after a prompt of `tokens`, whatever leaves and
// whatever is coded behind it.
uint64_t MostLaunches(const TinyShape& shape, const char* evicts, int tokens) {
  WatchedOps watched(EngineTables().front());
  const auto model = TinyModel(watched.table(), 2, shape);
  CompressionPlan plan = Keeping(*model, tokens, EvictionNamed(*model, evicts, tokens));
  for (LayerPlan& layer : plan.layers) {
    SegmentPlan recent = layer.segments.front();
    recent.tokens = 20;
    SegmentPlan packed = recent;
    packed.role = Role::kPacked;
    packed.tokens = SegmentPlan::TokensName::kRest;
    plan::PackedFormat coded{};
    coded.bits = 4;
    coded.group = 16;
    packed.key = packed.value = coded;
    layer.segments = {packed, recent};
  }
  const auto contexts = PrefillAll(model, TinyPrompt(tokens, shape.vocab), {plan});
  int32_t id = contexts[0]->Sample(kGreedy).id;
  uint64_t most = 0;
  for (int i = 0; i < 150; ++i) {
    const uint64_t before = watched.counts().ops;
    id = contexts[0]->Append(&id, 1, nullptr, &kGreedy)->id;
    most = std::max(most, watched.counts().ops - before);
  }
  return most;
}

// What a token calls is counted in layers: no op is called per head, per part or per token held.
QPKV_TEST(StepLaunchesPerToken) {
  for (const char* evicts : {"never", "fifo", "by score"}) {
    TinyShape shape;
    const uint64_t few = MostLaunches(shape, evicts, 60);
    const uint64_t longer = MostLaunches(shape, evicts, 900);
    Expect(Label("evict %s: %d launches, %d of a longer cache", evicts, static_cast<int>(few),
                 static_cast<int>(longer)),
           longer <= few);
    TinyShape wide = shape;
    wide.kv_heads = wide.query_heads = 8;
    Expect(Label("evict %s: more heads", evicts), MostLaunches(wide, evicts, 60) == few);
    TinyShape deep = shape;
    deep.layers = 2 * shape.layers;
    const uint64_t more = MostLaunches(deep, evicts, 60);
    // Norms, products, rotary embedding, cache: of each layer.
    Expect(Label("evict %s: %d launches, %d with twice the layers", evicts, static_cast<int>(few),
                 static_cast<int>(more)),
           more - few <= static_cast<uint64_t>(16 * shape.layers));
  }
}

// Compressing a layer calls as many ops for few heads and tokens as for many.
QPKV_TEST(CompressionLaunchesPerLayer) {
  const auto launches = [](int tokens, int heads) {
    WatchedOps watched(EngineTables().front());
    TinyShape shape;
    shape.kv_heads = shape.query_heads = heads;
    const auto model = TinyModel(watched.table(), 2, shape);
    Prefill prefill(model, TinyPrompt(tokens, shape.vocab), {FullPlan(*model)});
    prefill.RunLayer();
    const uint64_t before = watched.counts().ops;
    prefill.CompressLayer(0, {}, false);
    return watched.counts().ops - before;
  };
  const uint64_t few = launches(60, 2);
  Expect(Label("%d launches", static_cast<int>(few)), few > 0 && few < 10);
  Expect("many tokens", launches(500, 2) == few);
  Expect("many heads", launches(60, 8) == few);
}

// Forward passes run inside of Step, everything else under a lock of its own.
QPKV_TEST(NothingRunsOutsideOfStep) {
  WatchedOps watched(EngineTables().front());
  const auto model = TinyModel(watched.table(), 2);
  const int vocab = model->description.vocab;
  const auto contexts = PrefillAll(model, TinyPrompt(700, vocab), {FullPlan(*model)});
  Context& context = *contexts[0];
  const std::vector<int32_t> more = TinyPrompt(150, vocab, 3);
  std::vector<float> all(more.size() * static_cast<size_t>(vocab));
  context.Append(more.data(), 150, all.data(), nullptr);
  Continue(&context, 5);
  context.Logits();
  Expect("ops were watched", watched.counts().ops > 100);
  Expect("forward passes only inside of Step", watched.counts().forward_outside == 0);
  Expect("nothing outside of a lock", watched.counts().outside == 0);
}

// NaN of one sequence leaves its neighbour alone.
QPKV_TEST(StepNamesTheRowsWithNan) {
  const auto model = TinyModel(EngineTables().front(), 1);
  const int vocab = model->description.vocab, layers = model->description.layers;
  const auto good = PrefillAll(model, TinyPrompt(20, vocab), {FullPlan(*model)})[0];
  const auto bad = PrefillAll(model, TinyPrompt(20, vocab, 2), {FullPlan(*model)})[0];
  const int32_t spoilt = 17, sound = 3;
  {
    EngineLock lock(*model->engine);
    auto* embed = static_cast<float*>(model->embed.data);  // [vocab / 64][hidden][64]
    const float nan = NAN;
    for (int i = 0; i < model->description.hidden; ++i)
      model->engine->Upload(embed + i * 64 + spoilt, &nan, sizeof nan);
  }
  std::vector<Work> work(2);
  Buffer logits(model->engine->device, 2 * sizeof(float) * static_cast<size_t>(vocab));
  for (int i = 0; i < 2; ++i) {
    work[i].sequence = i == 0 ? bad.get() : good.get();
    work[i].to = layers;
    work[i].first = 20;
    work[i].rows = 1;
    work[i].ids = i == 0 ? &spoilt : &sound;
    work[i].last_logits = logits.floats() + i * vocab;
    work[i].sampling = &kGreedy;
  }
  EngineLock lock(*model->engine);
  const std::vector<Outcome> outcomes = Step(*model, work);
  Expect("the first layer is named",
         outcomes[0].error && std::strstr(outcomes[0].error->what(), "layer 0") != nullptr);
  Expect("the neighbour goes on", !outcomes[1].error && outcomes[1].sampled.id >= 0);
  Expect("one is broken, the other not", bad->broken() && !good->broken());
}

}  // namespace
}  // namespace qpkv
