// See step.h.
#include "engine/step.h"

#include <algorithm>
#include <exception>

#include "base/check.h"
#include "engine/cache_step.h"
#include "engine/hash.h"
#include "engine/step_layout.h"
#include "engine/step_state.h"

namespace qpkv {
namespace {

thread_local int steps = 0;

struct Depth {
  Depth() { ++steps; }
  ~Depth() { --steps; }
};

class StepRun {
 public:
  StepRun(const Model& model, const std::vector<Work>& work)
      : model_(model), d_(model.description), engine_(*model.engine), at_(work) {}

  std::vector<Outcome> Run() {
    for (StepItem& item : at_.items)
      Guarded(&item, [&] { item.work->sequence->BeforeLayers(*item.work); });
    logits_ = {at_.logits_rows > 0 ? LogitsBuffer(model_, at_.logits_rows) : nullptr, d_.vocab};
    state_.emplace(at_.items, d_.layers, at_.rows, at_.logits_rows, logits_, d_.vocab);
    caches_.emplace(engine_, Caches());
    caches_->MakeRoom();
    Send();
    CountTokens();
    engine_.ops.Replay(engine_.stream, Key(), OnHost<void>(this),
                       [](void* run) { static_cast<StepRun*>(run)->GuardedBody(); });
    if (failure_) std::rethrow_exception(failure_);
    CopyLastLogits();
    for (StepItem& item : at_.items)
      if (item.work->to > item.work->from)
        Guarded(&item,
                [&] { item.work->sequence->AfterLayers(item.work->first + item.work->rows); });
    caches_->FinishEviction(nullptr);
    state_->Read(engine_);
    if (caches_->evicted() > 0) {
      caches_->FinishEviction(state_->evicted_read());
      CheckDevice(engine_);
    }
    return Outcomes();
  }

 private:
  // A sequence's own trouble is its own.
  template <class Use>
  static void Guarded(StepItem* item, const Use& use) {
    if (item->error) return;
    try {
      use();
    } catch (const Error& error) {
      item->error = error;
    }
  }

  // The caches that rows attend to, and where these rows lie at every layer.
  std::vector<CacheRows> Caches() {
    std::vector<CacheRows> caches;
    if (at_.rows == 0) return caches;
    const std::vector<LayerRows> parts =
        at_.Parts(d_, 0, QkvBuffer(model_, at_.rows), AttentionBuffer());
    for (size_t i = 0; i < at_.items.size(); ++i) {
      StepItem& item = at_.items[i];
      KvCache* cache = item.work->sequence->cache();
      if (cache == nullptr || !item.At(0) || item.error) continue;
      StepRows rows;
      rows.rows = item.work->rows;
      rows.q = parts[i].qkv.q;
      rows.q_stride = rows.kv_stride = parts[i].qkv.stride;
      rows.out = parts[i].out;
      rows.out_stride = d_.query_heads * d_.head_dim;
      rows.keys = parts[i].qkv.k;
      rows.values = parts[i].qkv.v;
      rows.kv_head_stride = d_.head_dim;
      item.cache = static_cast<int>(caches.size());
      caches.push_back({cache, item.work->rows, rows});
    }
    return caches;
  }

  // What the host knows of this step goes to the device at once.
  void Send() {
    DeviceWrites writes;
    state_->Send(engine_, caches_->evicted(), &writes);
    caches_->Sync(state_->evicted(), &writes);
    writes.Run(engine_);
  }

  // Decode alone is replayed: one row each, whose ops are called with the same arguments token
  // after token, whoever the sequences are. 0 where they are not.
  uint64_t Key() const {
    if (caches_->keeps_queries()) return 0;
    uint64_t key = HashOf(
        {engine_.moves(), reinterpret_cast<uintptr_t>(&model_), static_cast<uint64_t>(at_.rows),
         static_cast<uint64_t>(state_->samples()), static_cast<uint64_t>(state_->input_bytes()),
         static_cast<uint64_t>(state_->per_layer()), caches_->Key()});
    for (const StepItem& item : at_.items) {
      const Work& work = *item.work;
      const bool row = item.cache >= 0 && work.rows == 1 && work.all_logits == nullptr;
      if (item.error || (work.rows > 0 && !row)) return 0;
      key =
          HashOf({key, static_cast<uint64_t>(work.rows), static_cast<uint64_t>(item.logits_rows)});
      for (int l = 0; l < d_.layers && row; ++l) {
        const RopeTable rope = work.sequence->RopeAt(l);
        key = HashOf({key, reinterpret_cast<uintptr_t>(rope.inv_freq),
                      static_cast<uint64_t>(work.sequence->RotatesKeys(l))});
      }
    }
    return key | 1;
  }

  // Nothing may fly through a backend's code.
  void GuardedBody() {
    try {
      Body();
    } catch (...) {
      failure_ = std::current_exception();
    }
  }

  void Body() {
    if (at_.rows > 0) {
      // A lone prompt item's hidden states are changed where they are.
      in_place_ = at_.carried == 0 && at_.items.size() == 1 && at_.items[0].own_hidden;
      hidden_ = {in_place_ ? at_.items[0].work->sequence->HiddenAt(at_.items[0].work->first)
                           : engine_.Floats(Slot::kHidden, at_.rows, d_.hidden).data,
                 d_.hidden};
      Embed();
      for (int l = 0; l < d_.layers; ++l) {
        const int rows = l == at_.prompt_layer ? at_.rows : at_.carried;
        if (rows > 0 && (at_.carried > 0 || l == at_.prompt_layer)) RunLayer(l, rows);
      }
      ComputeLogitsOfRows();
    }
    if (state_->samples() > 0)
      engine_.ops.Sample(engine_.stream,
                         {state_->sampling(), state_->samples(), d_.vocab, state_->sampled()});
  }

  void CountTokens() {
    for (const StepItem& item : at_.items)
      if (int32_t* counts = item.work->sequence->TokenCounts();
          counts != nullptr && item.work->rows > 0)
        engine_.ops.CountTokens(engine_.stream,
                                {state_->ids() + item.row, item.work->rows, counts});
  }

  float* AttentionBuffer() const {
    return engine_.Floats(Slot::kAttention, at_.rows, d_.query_heads * d_.head_dim);
  }

  void Embed() {
    const int rows = at_.prompt_layer == 0 ? at_.rows : at_.carried;
    if (rows > 0 && at_.StartsAtEmbedding()) EmbedTokens(model_, state_->ids(), rows, hidden_);
    if (at_.prompt_layer == 0 && !in_place_) CopyPromptRows(true);
  }

  void CopyPromptRows(bool back) {
    for (const StepItem& item : at_.items) {
      if (!item.own_hidden) continue;
      float* mine = hidden_.row(item.row);
      float* theirs = item.work->sequence->HiddenAt(item.work->first);
      engine_.ops.Copy(engine_.stream, back ? theirs : mine, back ? mine : theirs,
                       sizeof(float) * item.work->rows * d_.hidden);
    }
  }

  void RunLayer(int l, int rows) {
    const bool copies = l == at_.prompt_layer && !in_place_;
    if (copies) CopyPromptRows(false);
    float* attention = AttentionBuffer();
    const QkvRows qkv = ProjectQkv(model_, l, hidden_, rows);
    const std::vector<LayerRows> parts = at_.Parts(d_, l, qkv, attention);
    for (size_t i = 0; i < at_.items.size(); ++i)
      if (at_.items[i].own_hidden && at_.items[i].At(l) && !at_.items[i].error)
        at_.items[i].work->sequence->BeforeRope(parts[i]);
    RotateBoth(l, qkv);
    // Rows of a sequence that failed go on as numbers without meaning.
    for (size_t i = 0; i < at_.items.size(); ++i)
      if (at_.items[i].own_hidden && at_.items[i].At(l))
        Guarded(&at_.items[i], [&] { at_.items[i].work->sequence->Attend(parts[i]); });
    caches_->KeepQueries(l, d_.block.attention_scale);
    caches_->Append(l);
    caches_->Attend(l, d_.decode, d_.block.attention_scale);
    caches_->Evict(l);
    FinishLayer(model_, l, attention, hidden_, rows);
    engine_.ops.NoteNan(engine_.stream, {hidden_, rows, d_.hidden, l, state_->notes()});
    if (copies) CopyPromptRows(true);
  }

  // In runs of sequences that are rotated alike: mostly all.
  void RotateBoth(int l, const QkvRows& qkv) {
    struct Run {
      RopeTable rope;
      bool keys;
      int begin, end;
    };
    std::vector<Run> runs;
    for (const StepItem* item : at_.InRowOrder()) {
      if (!item->At(l)) continue;
      const Sequence& sequence = *item->work->sequence;
      const Run run{sequence.RopeAt(l), sequence.RotatesKeys(l), item->row,
                    item->row + item->work->rows};
      if (!runs.empty() && runs.back().rope == run.rope && runs.back().keys == run.keys)
        runs.back().end = run.end;
      else
        runs.push_back(run);
    }
    const int32_t* positions = state_->positions(l);
    for (const Run& run : runs) {
      QkvRows own = qkv;
      own.q += Elements(run.begin, qkv.stride);
      own.k += Elements(run.begin, qkv.stride);
      const int rows = run.end - run.begin;
      RotateRows(model_, own, Rotated::kQueries, run.rope, positions + run.begin, rows);
      if (run.keys) RotateRows(model_, own, Rotated::kKeys, run.rope, positions + run.begin, rows);
    }
  }

  void ComputeLogitsOfRows() {
    if (at_.logits_rows == 0) return;
    ComputeLogits(model_, GatherLogitsRows(), at_.logits_rows, logits_);
    engine_.ops.NoteNan(engine_.stream, {logits_, at_.logits_rows, d_.vocab, d_.layers,
                                         state_->notes() + at_.rows});
  }

  void CopyLastLogits() {
    for (const StepItem& item : at_.items) {
      if (item.logits_rows == 0 || item.work->last_logits == nullptr) continue;
      engine_.ops.Copy(engine_.stream, item.work->last_logits,
                       logits_.row(item.logits_row + item.logits_rows - 1),
                       sizeof(float) * d_.vocab);
    }
  }

  // The hidden states whose logits are wanted, behind one another: mostly they are.
  const float* GatherLogitsRows() {
    const auto hidden_of = [&](const StepItem& item) {
      const int skipped = item.work->rows - item.logits_rows;
      return item.own_hidden && !in_place_
                 ? item.work->sequence->HiddenAt(item.work->first + skipped)
                 : hidden_.row(item.row + skipped);
    };
    const float* begin = nullptr;
    const float* end = nullptr;
    bool together = true;
    for (const StepItem* item : at_.InRowOrder()) {
      if (item->logits_rows == 0) continue;
      const float* at = hidden_of(*item);
      if (begin == nullptr) begin = end = at;
      together &= at == end;
      end = at + Elements(item->logits_rows, d_.hidden);
    }
    if (together) return begin;
    const auto gathered = engine_.Floats(Slot::kLogitsHidden, at_.logits_rows, d_.hidden);
    for (const StepItem* item : at_.InRowOrder()) {
      if (item->logits_rows == 0) continue;
      engine_.ops.Copy(engine_.stream, gathered.row(item->logits_row), hidden_of(*item),
                       sizeof(float) * item->logits_rows * d_.hidden);
    }
    return gathered;
  }

  std::vector<Outcome> Outcomes() {
    const SampledToken* sampled = state_->sampled_read();
    std::vector<Outcome> outcomes;
    for (const StepItem& item : at_.items) {
      Outcome outcome;
      outcome.error = item.error;
      if (!outcome.error && item.cache >= 0) outcome.error = (*caches_)[item.cache].error;
      if (!outcome.error) outcome.error = state_->NanError(item, d_.layers);
      if (item.work->sampling != nullptr) outcome.sampled = *sampled++;
      if (item.work->all_logits != nullptr && !outcome.error)
        engine_.Download(item.work->all_logits, logits_.row(item.logits_row),
                         sizeof(float) * item.logits_rows * d_.vocab);
      outcomes.push_back(std::move(outcome));
    }
    return outcomes;
  }

  const Model& model_;
  const ModelDescription& d_;
  Engine& engine_;
  StepLayout at_;
  bool in_place_ = false;
  MatrixView<float> hidden_;  // [rows, hidden]
  MatrixView<float> logits_;  // [logits rows, vocab]
  std::optional<StepState> state_;
  std::optional<CacheStep> caches_;
  std::exception_ptr failure_;
};

}  // namespace

std::vector<Outcome> Step(const Model& model, const std::vector<Work>& work) {
  QPKV_CHECK(HoldsEngine());
  const Depth depth;
  for (const Work& w : work) w.sequence->set_broken(true);
  std::vector<Outcome> outcomes = StepRun(model, work).Run();
  for (size_t i = 0; i < work.size(); ++i)
    work[i].sequence->set_broken(outcomes[i].error.has_value());
  return outcomes;
}

bool InStep() { return steps > 0; }

}  // namespace qpkv
