// See step.h.
#include "engine/step.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "base/check.h"
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
    Prepare();
    for (size_t i = 0; i < items_.size() && rows_ > 0; ++i) BeforeLayers(i);
    engine_.ops.Replay(engine_.stream, Key(), OnHost<void>(this),
                       [](void* run) { static_cast<StepRun*>(run)->GuardedBody(); });
    if (failure_) std::rethrow_exception(failure_);
    for (StepItem& item : items_) AfterLayers(&item);
    return ReadBack();
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
        const Sampling* sampling = item.work->sampling;
        if (sampling != nullptr) ++samples_, input_bytes_ += InputBytes(*sampling);
      }
    for (const StepItem& item : items_)
      for (int l = item.work->from; l < item.work->to; ++l)
        per_layer_ |= item.work->sequence->RopePosition(l, item.work->first) != item.work->first;
  }

  // What the host knows of this step goes to the device at once.
  void Prepare() {
    const int position_rows = rows_ * (per_layer_ ? d_.layers : 1);
    const StateLayout at(rows_, position_rows, rows_ + logits_rows_, samples_, input_bytes_);
    uint8_t* device = static_cast<uint8_t*>(engine_.Bytes(Slot::kStepState, at.bytes));
    std::vector<uint8_t> host(at.sampled);
    auto* ids = reinterpret_cast<int32_t*>(host.data());
    auto* positions = reinterpret_cast<int32_t*>(host.data() + at.positions);
    auto* sampling = reinterpret_cast<SampleRow*>(host.data() + at.sampling);
    std::memset(host.data() + at.notes, 0xff, at.sampled - at.notes);  // -1
    int sample = 0;
    StepInputs inputs{host.data() + at.inputs, device + at.inputs};
    for (const StepItem& item : items_) {
      const Work& work = *item.work;
      for (int i = 0; i < work.rows; ++i) {
        ids[item.row + i] = work.from == 0 && work.to > 0 ? work.ids[i] : 0;
        for (int l = 0; l < (per_layer_ ? d_.layers : 1); ++l)
          positions[l * rows_ + item.row + i] =
              (per_layer_ && item.At(l) ? work.sequence->RopePosition(l, work.first) : work.first) +
              i;
      }
      if (work.sampling != nullptr) sampling[sample++] = RowOf(work, &inputs);
    }
    engine_.Upload(device, host.data(), host.size());
    ids_ = reinterpret_cast<const int32_t*>(device);
    positions_ = reinterpret_cast<const int32_t*>(device + at.positions);
    sampling_ = reinterpret_cast<const SampleRow*>(device + at.sampling);
    notes_ = reinterpret_cast<int32_t*>(device + at.notes);
    sampled_ = reinterpret_cast<SampledToken*>(device + at.sampled);
    read_back_ = at.bytes - at.notes;
  }

  // Decode alone is replayed: one row each, whose ops are called with the same arguments token
  // after token. 0 where they are not.
  uint64_t Key() const {
    uint64_t key = HashOf({engine_.moves(), reinterpret_cast<uintptr_t>(&model_),
                           static_cast<uint64_t>(rows_), static_cast<uint64_t>(samples_),
                           static_cast<uint64_t>(input_bytes_), static_cast<uint64_t>(per_layer_)});
    for (const StepItem& item : items_) {
      const Work& work = *item.work;
      const uint64_t own = work.sequence->ReplayKey();
      if (own == 0 || item.error || work.rows != 1 || work.all_logits != nullptr) return 0;
      key = HashOf({key, own, static_cast<uint64_t>(work.from), static_cast<uint64_t>(work.to),
                    static_cast<uint64_t>(work.sampling != nullptr),
                    reinterpret_cast<uintptr_t>(work.last_logits),
                    reinterpret_cast<uintptr_t>(work.counts)});
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

  // Room in the caches and their tables. Nothing that layers hand on moves from here on.
  void BeforeLayers(size_t i) {
    StepItem& item = items_[i];
    if (item.work->to == item.work->from || item.work->rows == 0) return;
    const QkvRows qkv = QkvBuffer(model_, rows_);
    float* attention =
        engine_.Floats(Slot::kAttention, static_cast<size_t>(rows_) * d_.query_heads * d_.head_dim);
    try {
      item.work->sequence->BeforeLayers(Parts(item.work->from, qkv, attention)[i]);
    } catch (const Error& error) {
      item.error = error;
    }
  }

  static void AfterLayers(StepItem* item) {
    const Work& work = *item->work;
    if (item->error || work.to == work.from) return;
    try {
      work.sequence->AfterLayers(work.first + work.rows);
    } catch (const Error& error) {
      item->error = error;
    }
  }

  void Body() {
    if (rows_ > 0) {
      // A lone prompt item's hidden states are changed where they are.
      in_place_ = carried_ == 0 && items_.size() == 1 && items_[0].own_hidden;
      hidden_ = in_place_ ? items_[0].work->sequence->HiddenAt(items_[0].work->first)
                          : engine_.Floats(Slot::kHidden, static_cast<size_t>(rows_) * d_.hidden);
      CountTokens();
      Embed();
      for (int l = 0; l < d_.layers; ++l) {
        const int rows = l == prompt_layer_ ? rows_ : carried_;
        if (rows > 0 && (carried_ > 0 || l == prompt_layer_)) RunLayer(l, rows);
      }
      ComputeLogitsOfRows();
    }
    if (samples_ > 0) engine_.ops.Sample(engine_.stream, {sampling_, samples_, d_.vocab, sampled_});
  }

  void CountTokens() {
    for (const StepItem& item : items_)
      if (item.work->counts != nullptr && item.work->rows > 0)
        engine_.ops.CountTokens(engine_.stream,
                                {ids_ + item.row, item.work->rows, item.work->counts});
  }

  void Embed() {
    const int rows = prompt_layer_ == 0 ? rows_ : carried_;
    if (rows > 0 && StartsAtEmbedding()) EmbedTokens(model_, ids_, rows, hidden_);
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
    float* attention =
        engine_.Floats(Slot::kAttention, static_cast<size_t>(rows) * d_.query_heads * d_.head_dim);
    const QkvRows qkv = ProjectQkv(model_, l, hidden_, rows);
    const std::vector<LayerRows> parts = Parts(l, qkv, attention);
    for (size_t i = 0; i < items_.size(); ++i)
      if (items_[i].At(l)) items_[i].work->sequence->BeforeRope(parts[i]);
    TurnBoth(l, qkv);
    for (size_t i = 0; i < items_.size(); ++i) {
      StepItem& item = items_[i];
      if (!item.At(l) || item.error) continue;
      try {
        item.work->sequence->Attend(parts[i]);
      } catch (const Error& error) {
        item.error = error;  // its rows go on as numbers without meaning
      }
    }
    FinishLayer(model_, l, attention, hidden_, rows);
    engine_.ops.NoteNan(engine_.stream, {hidden_, rows, d_.hidden, l, notes_});
    if (copies) CopyPromptRows(true);
  }

  std::vector<LayerRows> Parts(int l, const QkvRows& qkv, float* attention) const {
    std::vector<LayerRows> parts;
    for (const StepItem& item : items_) {
      const size_t row = static_cast<size_t>(item.row);
      QkvRows own = qkv;
      own.q += row * qkv.stride, own.k += row * qkv.stride, own.v += row * qkv.stride;
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
    const int32_t* positions = positions_ + (per_layer_ ? static_cast<size_t>(l) * rows_ : 0);
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
    const float* from = GatherLogitsRows();
    const float* logits = ComputeLogits(model_, from, logits_rows_);
    engine_.ops.NoteNan(engine_.stream,
                        {logits, logits_rows_, d_.vocab, d_.layers, notes_ + rows_});
    for (const StepItem& item : items_) {
      if (item.logits_rows == 0 || item.work->last_logits == nullptr) continue;
      const size_t last = static_cast<size_t>(item.logits_row + item.logits_rows - 1);
      engine_.ops.Copy(engine_.stream, item.work->last_logits, logits + last * d_.vocab,
                       sizeof(float) * d_.vocab);
    }
    logits_ = logits;
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

  std::vector<Outcome> ReadBack() {
    std::vector<uint8_t> host(read_back_);
    engine_.Download(host.data(), notes_, host.size());
    CheckDevice(engine_);
    const auto* notes = reinterpret_cast<const int32_t*>(host.data());
    const auto* sampled = reinterpret_cast<const SampledToken*>(
        host.data() + (reinterpret_cast<uint8_t*>(sampled_) - reinterpret_cast<uint8_t*>(notes_)));
    std::vector<Outcome> outcomes;
    for (StepItem& item : items_) {
      Outcome outcome;
      outcome.error = item.error;
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
  int logits_rows_ = 0, samples_ = 0;
  size_t input_bytes_ = 0;  // of masks and biases
  bool per_layer_ = false;  // positions differ from layer to layer
  bool in_place_ = false;
  float* hidden_ = nullptr;  // [rows, hidden]
  const float* logits_ = nullptr;
  // The step's state on the device.
  const int32_t* ids_ = nullptr;
  const int32_t* positions_ = nullptr;
  const SampleRow* sampling_ = nullptr;
  int32_t* notes_ = nullptr;
  SampledToken* sampled_ = nullptr;
  size_t read_back_ = 0;
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
