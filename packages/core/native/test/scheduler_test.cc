// The engine thread: what a sequence gets whoever runs beside it, whose turn it is, and what ends
// when it is cancelled or everything is let go.
#include "engine/scheduler.h"

#include <atomic>
#include <cstring>
#include <future>
#include <thread>

#include "engine/jobs.h"
#include "test/harness.h"
#include "test/scheduler_client.h"
#include "test/tiny_model.h"

namespace qpkv {
namespace {

const Sampling kGreedy{};

// The newest tokens of each head stay: what leaves depends on how tokens come in steps.
CompressionPlan WindowPlan(const Model& model, int tokens) {
  CompressionPlan plan = FullPlan(model);
  for (auto& layer : plan.layers) {
    layer.tokens.per_head = tokens;
    layer.evict = plan::EvictionName::kFifo;
  }
  return plan;
}

// A request of a seed: a prompt, some tokens, more text, some tokens.
struct Request {
  std::vector<int32_t> prompt, appended;
  CompressionPlan plan;
  int tokens;

  Request(const Model& model, int seed) {
    Random random(static_cast<uint64_t>(seed) * 77 + 5);
    const int vocab = model.description.vocab;
    prompt = TinyPrompt(1 + random.Below(seed % 3 == 0 ? 1100 : 90), vocab, seed);
    appended = TinyPrompt(1 + random.Below(300), vocab, seed + 1000);
    const int window = static_cast<int>(prompt.size()) < 32 ? 0 : 32;
    plan = seed % 2 == 1 && window > 0 ? WindowPlan(model, window) : FullPlan(model);
    tokens = 1 + random.Below(12);
  }
};

struct Answer {
  std::vector<int32_t> ids;
  std::vector<float> logits;
};

Answer AnswerAlone(const std::shared_ptr<Model>& model, const Request& request) {
  const auto context = PrefillAll(model, request.prompt, {request.plan})[0];
  Answer answer;
  for (int round = 0; round < 2; ++round) {
    if (round == 1)
      context->Append(request.appended.data(), static_cast<int>(request.appended.size()), nullptr,
                      nullptr);
    answer.ids.push_back(context->Sample(kGreedy).id);
    for (int i = 1; i < request.tokens; ++i)
      answer.ids.push_back(context->Append(&answer.ids.back(), 1, nullptr, &kGreedy)->id);
  }
  answer.logits = context->Logits();
  return answer;
}

Answer AnswerBeside(Scheduler& scheduler, const std::shared_ptr<Model>& model,
                    const Request& request, Random* random) {
  const auto pause = [&] {
    if (random->Below(3) == 0)
      std::this_thread::sleep_for(std::chrono::microseconds(random->Below(2000)));
  };
  auto prefill =
      std::make_shared<Prefill>(model, request.prompt, std::vector<CompressionPlan>{request.plan});
  Await(scheduler, std::make_unique<PrefillJob>(prefill, model->description.layers, true));
  std::shared_ptr<Context> context;
  Await(scheduler, std::make_unique<PrefillTask>(prefill, [&] { context = prefill->Finish()[0]; }));
  Answer answer;
  for (int round = 0; round < 2; ++round) {
    if (round == 1) Await(scheduler, Feeding(context, request.appended, false));
    pause();
    answer.ids.push_back(Await(scheduler, Feeding(context, {}))->chosen()->id);
    for (int i = 1; i < request.tokens; ++i) {
      pause();
      answer.ids.push_back(Await(scheduler, Feeding(context, {answer.ids.back()}))->chosen()->id);
    }
  }
  Await(scheduler, std::make_unique<TaskJob>([&] { answer.logits = context->Logits(); }));
  return answer;
}

// In the float32 mode to the bit, whatever the schedule.
QPKV_TEST(SchedulerNeighboursChangeNothing) {
  for (const Table& table : EngineTables()) {
    if (!std::strcmp(table.ops->name, "reference")) continue;
    const auto model = TinyModel(table, 2);
    constexpr int kRequests = 8;
    std::vector<Request> requests;
    std::vector<Answer> want;
    for (int i = 0; i < kRequests; ++i) {
      requests.emplace_back(*model, i);
      want.push_back(AnswerAlone(model, requests.back()));
    }
    int most = 0;
    for (int schedule = 0; schedule < 3; ++schedule) {
      Scheduler scheduler(model->engine);
      std::vector<Answer> got(kRequests);
      std::vector<std::thread> clients;
      for (int i = 0; i < kRequests; ++i)
        clients.emplace_back([&, i] {
          Random random(static_cast<uint64_t>(schedule * 100 + i));
          got[static_cast<size_t>(i)] =
              AnswerBeside(scheduler, model, requests[static_cast<size_t>(i)], &random);
        });
      for (std::thread& client : clients) client.join();
      const SchedulerStats stats = scheduler.stats();
      most = std::max(most, static_cast<int>(stats.rows / std::max<uint64_t>(stats.steps, 1)));
      for (size_t i = 0; i < kRequests; ++i) {
        const std::string label = Label("%s schedule %d request %zu", table.ops->name, schedule, i);
        Expect(label + " tokens", got[i].ids == want[i].ids);
        ExpectEqualBytes(label + " logits", got[i].logits.data(), want[i].logits.data(),
                         want[i].logits.size() * sizeof(float));
      }
    }
    Expect(Label("%s: %d rows a step", table.ops->name, most), most > 1);
  }
}

// A job that only notes when it had its units.
class NotedJob : public Job {
 public:
  NotedJob(Lane lane, uint64_t order, int units, std::vector<int>* log, int name)
      : lane_(lane), order_(order), units_(units), log_(log), name_(name) {}
  Lane lane() const override { return lane_; }
  uint64_t order() const override { return order_; }
  void Run() override {
    log_->push_back(name_);  // on the engine thread alone
    --units_;
  }
  bool done() const override { return units_ == 0; }

 private:
  const Lane lane_;
  const uint64_t order_;
  int units_;
  std::vector<int>* log_;
  const int name_;
};

// The thread is held up until everything stands in the queue.
class Gate {
 public:
  explicit Gate(Scheduler* scheduler) {
    auto open = open_.get_future().share();
    std::promise<void> entered;
    std::future<void> inside = entered.get_future();
    auto job = std::make_unique<TaskJob>([open, &entered] {
      entered.set_value();
      open.wait();
    });
    scheduler->Submit(std::move(job));
    inside.wait();
  }
  void Open() { open_.set_value(); }

 private:
  std::promise<void> open_;
};

QPKV_TEST(SchedulerTakesTurns) {
  const auto engine = std::make_shared<Engine>(EngineTables().front(), 1);
  Scheduler scheduler(engine);
  std::vector<int> log;
  Gate gate(&scheduler);
  std::vector<std::future<Ended>> ends;
  // Prompts 12, 11, 10 are submitted in the wrong order; stream 1 runs beside.
  for (int name : {12, 11, 10})
    ends.push_back(Submit(
        scheduler,
        std::make_unique<NotedJob>(Lane::kPrompts, static_cast<uint64_t>(name), 3, &log, name)));
  ends.push_back(Submit(scheduler, std::make_unique<NotedJob>(Lane::kStreams, 0, 5, &log, 1)));
  gate.Open();
  for (auto& end : ends) end.wait();
  Expect("a stream between any two units, prompts one after another",
         log == std::vector<int>({10, 1, 10, 1, 10, 1, 11, 1, 11, 1, 11, 12, 12, 12}));
}

// Streams of the last step come back together, though their readers take unlike time.
QPKV_TEST(SchedulerKeepsStreamsTogether) {
  const auto model = TinyModel(EngineTables().front(), 1);
  std::vector<std::shared_ptr<Context>> contexts;
  for (int i = 0; i < 6; ++i)
    contexts.push_back(
        PrefillAll(model, TinyPrompt(40, model->description.vocab, i), {FullPlan(*model)})[0]);
  Scheduler scheduler(model->engine);
  constexpr int kTokens = 100;
  std::vector<std::thread> readers;
  for (const auto& context : contexts)
    readers.emplace_back([&scheduler, context] {
      int32_t id = Await(scheduler, Feeding(context, {}))->chosen()->id;
      for (int i = 0; i < kTokens; ++i) id = Await(scheduler, Feeding(context, {id}))->chosen()->id;
    });
  for (std::thread& reader : readers) reader.join();
  const SchedulerStats stats = scheduler.stats();
  const double batch = static_cast<double>(stats.rows) / static_cast<double>(stats.steps);
  // Far from one by one, on a busy machine and under a sanitizer too.
  Expect(Label("%.1f rows a step of 6", batch), batch > 1.5);
}

bool DoneOrAborted(const std::exception_ptr& error) {
  return error == nullptr || !std::strcmp(CodeOf(error), "KV_ABORTED");
}

// At any point of a prefill, a reply or an appended text, while others run.
QPKV_TEST(SchedulerCancelsAnywhere) {
  const auto model = TinyModel(EngineTables().front(), 2);
  const int vocab = model->description.vocab;
  Scheduler scheduler(model->engine);
  std::atomic<bool> over{false};
  const auto other = PrefillAll(model, TinyPrompt(30, vocab), {FullPlan(*model)})[0];
  std::thread beside([&] {
    int32_t id = Await(scheduler, Feeding(other, {}))->chosen()->id;
    while (!over) id = Await(scheduler, Feeding(other, {id}))->chosen()->id;
  });
  int cancelled = 0;
  for (int i = 0; i < 60; ++i) {
    Random random(static_cast<uint64_t>(i));
    const auto wait = std::chrono::microseconds(random.Below(3000));
    if (i % 2 == 0) {
      auto prefill = std::make_shared<Prefill>(model, TinyPrompt(1500, vocab, i),
                                               std::vector<CompressionPlan>{FullPlan(*model)});
      auto ended =
          Submit(scheduler, std::make_unique<PrefillJob>(prefill, model->description.layers, true));
      std::this_thread::sleep_for(wait);
      prefill->abort = true;
      scheduler.Wake();
      const Ended end = ended.get();
      cancelled += end.error != nullptr;
      Expect(Label("prefill %d: %s", i, CodeOf(end.error)), DoneOrAborted(end.error));
    } else {
      const auto context = std::make_shared<Context>(
          *PrefillAll(model, TinyPrompt(30, vocab), {FullPlan(*model)})[0]);
      auto ended = Submit(scheduler, Feeding(context, TinyPrompt(700, vocab, i), false));
      std::this_thread::sleep_for(wait);
      context->abort = true;
      scheduler.Wake();
      const Ended end = ended.get();
      cancelled += end.error != nullptr;
      Expect(Label("text %d: %s", i, CodeOf(end.error)), DoneOrAborted(end.error));
      // What was fed stays, and the context goes on.
      context->abort = false;
      Expect("whole steps",
             (context->tokens() - 30) % kAppendTokens == 0 || context->tokens() == 730);
      Await(scheduler, Feeding(context, {1}));
    }
  }
  over = true;
  beside.join();
  Expect(Label("%d were cancelled in time", cancelled), cancelled > 10);
}

// A job that waits behind others ends at once when it is cancelled.
QPKV_TEST(SchedulerCancelsWaiting) {
  const auto model = TinyModel(EngineTables().front(), 1);
  const int vocab = model->description.vocab;
  Scheduler scheduler(model->engine);
  const auto start = [&](int tokens) {
    return std::make_shared<Prefill>(model, TinyPrompt(tokens, vocab),
                                     std::vector<CompressionPlan>{FullPlan(*model)});
  };
  const auto first = start(20000), second = start(20);
  const int layers = model->description.layers;
  auto running = Submit(scheduler, std::make_unique<PrefillJob>(first, layers, true));
  auto waiting = Submit(scheduler, std::make_unique<PrefillJob>(second, layers, true));
  second->abort = true;
  scheduler.Wake();
  Expect("the waiting one is aborted", !std::strcmp(CodeOf(waiting.get().error), "KV_ABORTED"));
  Expect("the running one still runs",
         running.wait_for(std::chrono::seconds(0)) != std::future_status::ready);
  first->abort = true;
  scheduler.Wake();
  running.get();
}

// Everything is let go at some moment; each job is told, once.
QPKV_TEST(SchedulerStopsAnywhere) {
  const auto model = TinyModel(EngineTables().front(), 2);
  const int vocab = model->description.vocab;
  for (int round = 0; round < 12; ++round) {
    auto scheduler = std::make_unique<Scheduler>(model->engine);
    std::atomic<int> told{0};
    constexpr int kJobs = 6;
    for (int i = 0; i < kJobs; ++i) {
      std::unique_ptr<Job> job;
      if (i % 2 == 0) {
        job = std::make_unique<PrefillJob>(
            std::make_shared<Prefill>(model, TinyPrompt(700 + i, vocab, i),
                                      std::vector<CompressionPlan>{FullPlan(*model)}),
            model->description.layers, true);
      } else {
        job = Feeding(PrefillAll(model, TinyPrompt(30, vocab), {FullPlan(*model)})[0],
                      TinyPrompt(500, vocab, i), false);
      }
      job->ended = [&told](std::unique_ptr<Job>, const std::exception_ptr& error) {
        told += DoneOrAborted(error) ? 1 : 100;
      };
      scheduler->Submit(std::move(job));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(700 * round));
    scheduler.reset();
    Expect(Label("round %d: %d told", round, told.load()), told == kJobs);
  }
}

}  // namespace
}  // namespace qpkv
