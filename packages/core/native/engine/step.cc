// See step.h.
#include "engine/step.h"

#include <algorithm>
#include <exception>

#include "base/check.h"
#include "engine/cache_step.h"
#include "engine/hash.h"
#include "engine/step_state.h"

namespace qpkv {
namespace {

thread_local int steps = 0, turns = 0;

struct Depth {
  explicit Depth(int* count) : count_(count) { ++*count_; }
  ~Depth() { --*count_; }
  int* count_;
};

class StepRun {
 public:
  StepRun(const Model& model, const std::vector<Work>& work)
      : model_(model), d_(model.description), engine_(*model.engine) {
    for (const Work& w : work) {
      StepItem item;
      item.work = &w;
      item.own_hidden = w.rows > 0 && w.sequence->HiddenAt(w.first) != nullptr;
      items_.push_back(item);
    }
    PlaceRows();
  }

  std::vector<Outcome> Run() {
    for (StepItem& item : items_)
      Guarded(&item, [&] { item.work->sequence->BeforeLayers(*item.work); });
    logits_ = logits_rows_ > 0 ? LogitsBuffer(model_, logits_rows_) : nullptr;
    state_.emplace(items_, d_.layers, rows_, logits_rows_, logits_, d_.vocab);
    caches_.emplace(engine_, Caches());
    caches_->MakeRoom();
    Send();
    CountTokens();
    engine_.ops.Replay(engine_.stream, Key(), OnHost<void>(this),
                       [](void* run) { static_cast<StepRun*>(run)->GuardedBody(); });
    if (failure_) std::rethrow_exception(failure_);
    CopyLastLogits();
    for (StepItem& item : items_)
      if (item.work->to > item.work->from)
        Guarded(&item,
                [&] { item.work->sequence->AfterLayers(item.work->first + item.work->rows); });
    caches_->Settle(nullptr);
    state_->Read(engine_);
    if (caches_->victims() > 0) {
      caches_->Settle(state_->victims_read());
      CheckDevice(engine_);
    }
    return Outcomes();
  }

 private:
  // Rows that pass all layers come first; those of prompts follow.
  void PlaceRows() {
    for (bool own : {false, true})
      for (StepItem& item : items_) {
        if (item.own_hidden != own) continue;
        item.row = rows_;
        rows_ += item.work->rows;
        if (!own) carried_ += item.work->rows;
        if (own && item.work->to > item.work->from) {
          QPKV_CHECK(item.work->to == item.work->from + 1);
          QPKV_CHECK(prompt_layer_ < 0 || prompt_layer_ == item.work->from);
          prompt_layer_ = item.work->from;
        }
        item.logits_rows = item.work->all_logits != nullptr ? item.work->rows
                           : item.work->last_logits != nullptr && item.work->rows > 0 ? 1
                                                                                      : 0;
        item.logits_row = logits_rows_;
        logits_rows_ += item.logits_rows;
      }
  }

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
    if (rows_ == 0) return caches;
    const std::vector<LayerRows> parts = Parts(0, QkvBuffer(model_, rows_), AttentionBuffer());
    for (size_t i = 0; i < items_.size(); ++i) {
      StepItem& item = items_[i];
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
    state_->Send(engine_, caches_->victims(), &writes);
    caches_->Sync(state_->victims(), &writes);
    writes.Run(engine_);
  }

  // Decode alone is replayed: one row each, whose ops are called with the same arguments token
  // after token, whoever the sequences are. 0 where they are not.
  uint64_t Key() const {
    uint64_t key = HashOf({engine_.moves(), reinterpret_cast<uintptr_t>(&model_),
                           static_cast<uint64_t>(rows_), static_cast<uint64_t>(state_->samples()),
                           static_cast<uint64_t>(state_->input_bytes()),
                           static_cast<uint64_t>(state_->per_layer()), caches_->Key()});
    for (const StepItem& item : items_) {
      const Work& work = *item.work;
      const bool row = item.cache >= 0 && work.rows == 1 && work.all_logits == nullptr;
      if (item.error || (work.rows > 0 && !row)) return 0;
      key =
          HashOf({key, static_cast<uint64_t>(work.rows), static_cast<uint64_t>(item.logits_rows)});
      for (int l = 0; l < d_.layers && row; ++l) {
        const RopeTable rope = work.sequence->RopeAt(l);
        key = HashOf({key, reinterpret_cast<uintptr_t>(rope.inv_freq),
                      static_cast<uint64_t>(work.sequence->TurnsKeys(l))});
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
    if (rows_ > 0) {
      // A lone prompt item's hidden states are changed where they are.
      in_place_ = carried_ == 0 && items_.size() == 1 && items_[0].own_hidden;
      hidden_ = in_place_ ? items_[0].work->sequence->HiddenAt(items_[0].work->first)
                          : engine_.Floats(Slot::kHidden, static_cast<size_t>(rows_) * d_.hidden);
      Embed();
      for (int l = 0; l < d_.layers; ++l) {
        const int rows = l == prompt_layer_ ? rows_ : carried_;
        if (rows > 0 && (carried_ > 0 || l == prompt_layer_)) RunLayer(l, rows);
      }
      ComputeLogitsOfRows();
    }
    if (state_->samples() > 0)
      engine_.ops.Sample(engine_.stream,
                         {state_->sampling(), state_->samples(), d_.vocab, state_->sampled()});
  }

  void CountTokens() {
    for (const StepItem& item : items_)
      if (int32_t* counts = item.work->sequence->TokenCounts();
          counts != nullptr && item.work->rows > 0)
        engine_.ops.CountTokens(engine_.stream,
                                {state_->ids() + item.row, item.work->rows, counts});
  }

  float* AttentionBuffer() const {
    return engine_.Floats(Slot::kAttention,
                          static_cast<size_t>(rows_) * d_.query_heads * d_.head_dim);
  }

  void Embed() {
    const int rows = prompt_layer_ == 0 ? rows_ : carried_;
    if (rows > 0 && StartsAtEmbedding()) EmbedTokens(model_, state_->ids(), rows, hidden_);
    if (prompt_layer_ == 0 && !in_place_) CopyPromptRows(true);
  }

  // Without layers rows only take their logits from hidden states that are there.
  bool StartsAtEmbedding() const {
    return std::any_of(items_.begin(), items_.end(),
                       [](const StepItem& item) { return item.At(0); });
  }

  void CopyPromptRows(bool back) {
    for (const StepItem& item : items_) {
      if (!item.own_hidden) continue;
      float* mine = hidden_ + static_cast<size_t>(item.row) * d_.hidden;
      float* theirs = item.work->sequence->HiddenAt(item.work->first);
      engine_.ops.Copy(engine_.stream, back ? theirs : mine, back ? mine : theirs,
                       sizeof(float) * item.work->rows * d_.hidden);
    }
  }

  void RunLayer(int l, int rows) {
    const bool copies = l == prompt_layer_ && !in_place_;
    if (copies) CopyPromptRows(false);
    float* attention = AttentionBuffer();
    const QkvRows qkv = ProjectQkv(model_, l, hidden_, rows);
    const std::vector<LayerRows> parts = Parts(l, qkv, attention);
    for (size_t i = 0; i < items_.size(); ++i)
      if (items_[i].own_hidden && items_[i].At(l) && !items_[i].error)
        items_[i].work->sequence->BeforeRope(parts[i]);
    TurnBoth(l, qkv);
    // Rows of a sequence that failed go on as numbers without meaning.
    for (size_t i = 0; i < items_.size(); ++i)
      if (items_[i].own_hidden && items_[i].At(l))
        Guarded(&items_[i], [&] { items_[i].work->sequence->Attend(parts[i]); });
    caches_->Append(l);
    caches_->Attend(l, d_.decode, d_.block.attention_scale);
    caches_->Evict(l);
    FinishLayer(model_, l, attention, hidden_, rows);
    engine_.ops.NoteNan(engine_.stream, {hidden_, rows, d_.hidden, l, state_->notes()});
    if (copies) CopyPromptRows(true);
  }

  std::vector<LayerRows> Parts(int l, const QkvRows& qkv, float* attention) const {
    std::vector<LayerRows> parts;
    for (const StepItem& item : items_) {
      const size_t row = static_cast<size_t>(item.row);
      QkvRows own = qkv;
      own.q += row * qkv.stride, own.k += row * qkv.stride, own.v += row * qkv.stride;
      own.input += row * d_.hidden;
      parts.push_back({l, item.work->first, item.work->rows, own,
                       attention + row * d_.query_heads * d_.head_dim});
    }
    return parts;
  }

  // In runs of sequences that are turned alike: mostly all.
  void TurnBoth(int l, const QkvRows& qkv) {
    struct Run {
      RopeTable rope;
      bool keys;
      int begin, end;
    };
    std::vector<Run> runs;
    for (const StepItem* item : InRowOrder()) {
      if (!item->At(l)) continue;
      const Sequence& sequence = *item->work->sequence;
      const Run run{sequence.RopeAt(l), sequence.TurnsKeys(l), item->row,
                    item->row + item->work->rows};
      if (!runs.empty() && runs.back().rope == run.rope && runs.back().keys == run.keys)
        runs.back().end = run.end;
      else
        runs.push_back(run);
    }
    const int32_t* positions = state_->positions(l);
    for (const Run& run : runs) {
      QkvRows own = qkv;
      own.q += static_cast<size_t>(run.begin) * qkv.stride;
      own.k += static_cast<size_t>(run.begin) * qkv.stride;
      const int rows = run.end - run.begin;
      TurnRows(model_, own, Turn::kQueries, run.rope, positions + run.begin, rows);
      if (run.keys) TurnRows(model_, own, Turn::kKeys, run.rope, positions + run.begin, rows);
    }
  }

  void ComputeLogitsOfRows() {
    if (logits_rows_ == 0) return;
    ComputeLogits(model_, GatherLogitsRows(), logits_rows_, logits_);
    engine_.ops.NoteNan(engine_.stream,
                        {logits_, logits_rows_, d_.vocab, d_.layers, state_->notes() + rows_});
  }

  void CopyLastLogits() {
    for (const StepItem& item : items_) {
      if (item.logits_rows == 0 || item.work->last_logits == nullptr) continue;
      const size_t last = static_cast<size_t>(item.logits_row + item.logits_rows - 1);
      engine_.ops.Copy(engine_.stream, item.work->last_logits, logits_ + last * d_.vocab,
                       sizeof(float) * d_.vocab);
    }
  }

  // The hidden states whose logits are wanted, behind one another: mostly they are.
  const float* GatherLogitsRows() {
    const auto hidden_of = [&](const StepItem& item) {
      const int skipped = item.work->rows - item.logits_rows;
      return item.own_hidden && !in_place_
                 ? item.work->sequence->HiddenAt(item.work->first + skipped)
                 : hidden_ + static_cast<size_t>(item.row + skipped) * d_.hidden;
    };
    const float* begin = nullptr;
    const float* end = nullptr;
    bool together = true;
    for (const StepItem* item : InRowOrder()) {
      if (item->logits_rows == 0) continue;
      const float* at = hidden_of(*item);
      if (begin == nullptr) begin = end = at;
      together &= at == end;
      end = at + static_cast<size_t>(item->logits_rows) * d_.hidden;
    }
    if (together) return begin;
    float* gathered =
        engine_.Floats(Slot::kLogitsHidden, static_cast<size_t>(logits_rows_) * d_.hidden);
    for (const StepItem* item : InRowOrder()) {
      if (item->logits_rows == 0) continue;
      engine_.ops.Copy(engine_.stream, gathered + static_cast<size_t>(item->logits_row) * d_.hidden,
                       hidden_of(*item), sizeof(float) * item->logits_rows * d_.hidden);
    }
    return gathered;
  }

  std::vector<const StepItem*> InRowOrder() const {
    std::vector<const StepItem*> order;
    for (bool own : {false, true})
      for (const StepItem& item : items_)
        if (item.own_hidden == own) order.push_back(&item);
    return order;
  }

  std::vector<Outcome> Outcomes() {
    const int32_t* notes = state_->notes_read();
    const SampledToken* sampled = state_->sampled_read();
    std::vector<Outcome> outcomes;
    for (const StepItem& item : items_) {
      Outcome outcome;
      outcome.error = item.error;
      if (!outcome.error && item.cache >= 0)
        outcome.error = (*caches_)[static_cast<size_t>(item.cache)].error;
      if (!outcome.error) outcome.error = NanError(item, notes);
      if (item.work->sampling != nullptr) outcome.sampled = *sampled++;
      if (item.work->all_logits != nullptr && !outcome.error)
        engine_.Download(item.work->all_logits,
                         logits_ + static_cast<size_t>(item.logits_row) * d_.vocab,
                         sizeof(float) * item.logits_rows * d_.vocab);
      outcomes.push_back(std::move(outcome));
    }
    return outcomes;
  }

  // The first layer that left NaN in any of its rows.
  std::optional<Error> NanError(const StepItem& item, const int32_t* notes) const {
    int layer = -1;
    const auto look = [&](int begin, int count) {
      for (int i = begin; i < begin + count; ++i)
        if (notes[i] >= 0 && (layer < 0 || notes[i] < layer)) layer = notes[i];
    };
    look(item.row, item.work->rows);
    look(rows_ + item.logits_row, item.logits_rows);
    if (layer < 0) return std::nullopt;
    return Error("KV_NUMERIC",
                 layer == d_.layers
                     ? std::string("The logits hold NaN: check the weights of the output head.")
                     : "The activations after layer " + std::to_string(layer) +
                           " hold NaN: check the weights of that layer.");
  }

  const Model& model_;
  const ModelDescription& d_;
  Engine& engine_;
  std::vector<StepItem> items_;
  int rows_ = 0;           // of all work
  int carried_ = 0;        // of work that passes all layers
  int prompt_layer_ = -1;  // that the prompts' rows pass, or -1
  int logits_rows_ = 0;
  bool in_place_ = false;
  float* hidden_ = nullptr;  // [rows, hidden]
  float* logits_ = nullptr;  // [logits rows, vocab]
  std::optional<StepState> state_;
  std::optional<CacheStep> caches_;
  std::exception_ptr failure_;
};

}  // namespace

std::vector<Outcome> Step(const Model& model, const std::vector<Work>& work) {
  QPKV_CHECK(InTurn());
  const Depth depth(&steps);
  for (const Work& w : work) w.sequence->set_broken(true);
  std::vector<Outcome> outcomes = StepRun(model, work).Run();
  for (size_t i = 0; i < work.size(); ++i)
    work[i].sequence->set_broken(outcomes[i].error.has_value());
  return outcomes;
}

bool InStep() { return steps > 0; }
bool InTurn() { return turns > 0; }

EngineTurn::EngineTurn(Engine& engine) : engine_(engine), lock_(engine.mutex) { ++turns; }
EngineTurn::~EngineTurn() { --turns; }

}  // namespace qpkv
