// The kinds of work that the engine thread does.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "engine/feed.h"
#include "engine/job.h"
#include "engine/opening.h"
#include "engine/prefill.h"
#include "engine/recompression.h"

namespace qpkv {

// What a job says that was not granted its memory.
inline Error NotGranted(const char* what, const MemoryLedger& ledger) {
  const auto mib = [](size_t bytes) { return std::to_string(bytes >> 20) + " MiB"; };
  return Error("KV_MEMORY", std::string(what) + " found no memory: " + mib(ledger.granted()) +
                                " of the limit's " + mib(ledger.limit()) +
                                " beside the weights are held by contexts that do nothing.");
}

// Tokens for a context, or a choice from its logits.
class FeedJob : public Job {
 public:
  // all: keep the logits of every token. Without ids a token is chosen from the logits that are
  // there.
  FeedJob(std::shared_ptr<Context> context, std::vector<int32_t> ids, bool all,
          const std::optional<Sampling>& sampling)
      : context_(std::move(context)),
        ids_(std::move(ids)),
        all_(all),
        sampling_(sampling),
        feed_(*context_, ids_.data(), static_cast<int>(ids_.size()),
              sampling_ ? &*sampling_ : nullptr) {}

  const std::vector<float>& logits() const { return logits_; }  // [ids, vocab], where wanted
  std::optional<SampledToken> chosen() const { return feed_.chosen(); }

  bool cancelled() const override { return context_->abort.load(); }
  Error Cancelled() const override {
    context_->abort.store(false);
    return feed_.Cancelled();
  }
  bool Admit() override { return context_->Admit(feed_.rows()); }
  bool OthersAtWork(int blocked) const override { return context_->model().memory->open > blocked; }
  Error NoMemory() const override {
    return NotGranted("A reply or appended text", *context_->model().memory);
  }
  const Model* model() const override { return &context_->model(); }
  int rows() const override { return feed_.rows(); }
  Work Next() override {
    if (all_ && logits_.empty()) {
      logits_.resize(ids_.size() * static_cast<size_t>(context_->model().description.vocab));
      feed_.KeepLogits(logits_.data());
    }
    return feed_.Next();
  }
  void Took(const Outcome& outcome) override { feed_.Took(outcome); }
  bool done() const override { return feed_.done(); }
  const void* returns() const override { return sampling_ ? context_.get() : nullptr; }

 private:
  const std::shared_ptr<Context> context_;
  const std::vector<int32_t> ids_;
  const bool all_;
  const std::optional<Sampling> sampling_;
  std::vector<float> logits_;
  Feed feed_;
};

// A prompt through layers, and each layer's caches as their plans say.
class PrefillJob : public Job {
 public:
  // Up to layer `to`; without `compress` the caches are left to the caller. progress: null, or told
  // of each layer that is done, on the engine thread.
  PrefillJob(std::shared_ptr<Prefill> prefill, int to, bool compress,
             std::function<void(int layer)> progress = nullptr)
      : prefill_(std::move(prefill)),
        to_(to),
        compress_(compress),
        progress_(std::move(progress)) {}

  const Prefill& prefill() const { return *prefill_; }

  Lane lane() const override { return Lane::kPrompts; }
  uint64_t order() const override { return prefill_->number(); }
  bool cancelled() const override { return prefill_->abort.load(); }
  Error Cancelled() const override { return prefill_->Cancelled(); }
  bool Admit() override { return prefill_->Admit(); }
  bool admitted() const override { return prefill_->admitted(); }
  bool OthersAtWork(int blocked) const override { return prefill_->model().memory->open > blocked; }
  Error NoMemory() const override { return NotGranted("A prompt", *prefill_->model().memory); }
  const Model* model() const override { return compressing_ ? nullptr : &prefill_->model(); }
  int rows() const override { return prefill_->chunk_rows(); }
  Work Next() override { return prefill_->NextChunk(); }
  void Took(const Outcome& outcome) override {
    prefill_->Took(outcome);
    if (prefill_->between_layers()) FinishLayer();
  }
  void Run() override {
    prefill_->CompressLayer(plan_, {}, false);
    ++plan_;
    FinishLayer();
  }
  bool done() const override { return !compressing_ && prefill_->layer() >= to_; }

 private:
  // The running layer has passed all tokens and `plan_` plans have compressed it.
  void FinishLayer() {
    compressing_ = compress_ && plan_ < prefill_->plan_count();
    if (compressing_) return;
    plan_ = 0;
    if (progress_) progress_(prefill_->layer());
  }

  const std::shared_ptr<Prefill> prefill_;
  const int to_;
  const bool compress_;
  const std::function<void(int layer)> progress_;
  bool compressing_ = false;
  int plan_ = 0;  // that compresses next
};

// A context that is compressed again, unit by unit. Once layers are stored it goes to its end.
class RecompressionJob : public Job {
 public:
  explicit RecompressionJob(std::shared_ptr<Recompression> recompression)
      : recompression_(std::move(recompression)) {}

  const Recompression& recompression() const { return *recompression_; }

  bool cancelled() const override {
    return (!recompression_->storing() && context().abort.load()) || recompression_->GivesUp();
  }
  Error Cancelled() const override {
    if (!context().abort.exchange(false)) return NoMemory();
    return Error("KV_ABORTED", "The recompression was cancelled; the context is as it was.");
  }
  bool Admit() override { return recompression_->Admit(); }
  bool OthersAtWork(int blocked) const override { return context().model().memory->open > blocked; }
  Error NoMemory() const override {
    return NotGranted("A recompression", *context().model().memory);
  }
  void Run() override { recompression_->RunUnit(); }
  bool done() const override { return recompression_->done(); }

 private:
  Context& context() const { return recompression_->context(); }

  const std::shared_ptr<Recompression> recompression_;
};

// Anything else, done at once: a function.
class TaskJob : public Job {
 public:
  explicit TaskJob(std::function<void()> run) : run_(std::move(run)) {}
  void Run() override {
    run_();
    ran_ = true;
  }
  bool done() const override { return ran_; }

 private:
  const std::function<void()> run_;
  bool ran_ = false;
};

// The same for a saved context on its way back, once its memory is granted.
class OpeningTask : public TaskJob {
 public:
  OpeningTask(std::shared_ptr<Opening> opening, std::function<void()> run)
      : TaskJob(std::move(run)), opening_(std::move(opening)) {}
  bool cancelled() const override { return opening_->abort.load(); }
  Error Cancelled() const override { return Error("KV_ABORTED", "Opening was cancelled."); }
  bool Admit() override { return opening_->Admit(); }
  bool OthersAtWork(int blocked) const override { return opening_->model().memory->open > blocked; }
  Error NoMemory() const override {
    return NotGranted("A saved context", *opening_->model().memory);
  }

 private:
  const std::shared_ptr<Opening> opening_;
};

// The same in the turn of a prefill.
class PrefillTask : public TaskJob {
 public:
  PrefillTask(std::shared_ptr<Prefill> prefill, std::function<void()> run)
      : TaskJob(std::move(run)), prefill_(std::move(prefill)) {}
  Lane lane() const override { return Lane::kPrompts; }
  uint64_t order() const override { return prefill_->number(); }
  bool cancelled() const override { return prefill_->abort.load(); }
  Error Cancelled() const override { return prefill_->Cancelled(); }

 private:
  const std::shared_ptr<Prefill> prefill_;
};

}  // namespace qpkv
