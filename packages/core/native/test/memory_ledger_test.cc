// Memory that is granted before it is taken: what fits, what contexts grow by, and who waits.
#include "engine/memory_ledger.h"

#include <cstring>
#include <thread>

#include "test/scheduler_client.h"
#include "test/tiny_model.h"

namespace qpkv {
namespace {

PromptMemory Memory(size_t work, size_t cache, size_t per_token, int growth) {
  PromptMemory memory;
  memory.scratch = 100;
  memory.work = work;
  memory.contexts.push_back({cache, per_token, growth});
  return memory;
}

QPKV_TEST(LedgerGrantsWhatFits) {
  const auto ledger = std::make_shared<MemoryLedger>();
  ledger->set_limit(1000);
  {
    Grant first(ledger), second(ledger);
    Expect("scratch counts once", first.Add(300, 100) && second.Add(300, 80));
    Expect("700 are granted", ledger->granted() == 700);
    Expect("no more than the limit", !second.Add(301) && second.Add(300));
    Grant part = first.Split(120);
    first.Drop(1000);
    Expect("a part stays granted", ledger->granted() == 820 && part.bytes() == 120);
  }
  Expect("scratch is kept", ledger->granted() == 100);
}

// A context asks for what is expected, else for a block, else for what it must have.
QPKV_TEST(GrowthAsksForLess) {
  const auto ledger = std::make_shared<MemoryLedger>();
  ledger->set_limit(2000);
  Growth growth(ledger, 10);
  Expect("nothing is counted before it begins", growth.Admit(10, 5000));
  growth.Begin(Grant(ledger), 1, 10);
  growth.Expect(10, 1000);
  Expect("all that is expected", growth.Admit(10, 1) && ledger->granted() == 1000);
  Expect("within it nothing more", growth.Admit(900, 110) && ledger->granted() == 1000);
  growth.Expect(100, 0);
  Expect("a block stays", ledger->granted() == static_cast<size_t>(90 + kGrowthTokens));
  ledger->set_limit(700);
  growth.Expect(600, 5000);
  Expect("what it must have", growth.Admit(612, 1) && ledger->granted() == 603);
  Expect("no more than there is", !growth.Admit(700, 200));
  Growth fork(ledger, 0);
  fork.BeginFork(growth, 613, 90);
  Expect("a fork's own copies are counted", !fork.Admit(613, 8) && fork.Admit(613, 7));
}

// What forks share stays granted until the last of them is gone, or stores its own.
QPKV_TEST(GrowthIsSharedWithForks) {
  const auto ledger = std::make_shared<MemoryLedger>();
  ledger->set_limit(2000);
  auto grant = [&](size_t bytes) {
    Grant made(ledger);
    made.Add(bytes);
    return made;
  };
  auto first = std::make_unique<Growth>(ledger, 100);
  first->Begin(grant(1000 + 20), 2, 110);  // 1000 for 100 tokens, 20 for ten more
  Growth fork(ledger, 0);
  fork.BeginFork(*first, 100, 50);
  Expect("a fork takes nothing", ledger->granted() == 1020);
  Expect("what is shared is nobody's", fork.granted() == 0 && first->granted() == 20);
  first.reset();
  Expect("the fork holds what is there", ledger->granted() == 1000 && fork.granted() == 1000);
  fork.Renew(grant(100), 100, 300, {300, 1, 40});
  Expect("stored again it takes what it needs", ledger->granted() == 340);
  Expect("and grows by the new rule", fork.Admit(100, 40) && ledger->granted() == 340);
}

QPKV_TEST(SchedulerAdmitsInOrder) {
  const auto model = TinyModel(EngineTables().front(), 1);
  const int vocab = model->description.vocab, layers = model->description.layers;
  model->memory->set_limit(1000);
  Scheduler scheduler(model->engine);
  // Each takes 500 while it is read and 300 afterwards: two contexts and no third prompt.
  const auto start = [&](size_t work) {
    return std::make_shared<Prefill>(model, TinyPrompt(40, vocab),
                                     std::vector<CompressionPlan>{FullPlan(*model)}, 0,
                                     Memory(work, 200, 1, 100));
  };
  const auto read = [&](const std::shared_ptr<Prefill>& prefill) {
    return Submit(scheduler, std::make_unique<PrefillJob>(prefill, layers, true));
  };
  const auto finish = [&](const std::shared_ptr<Prefill>& prefill) {
    std::shared_ptr<Context> context;
    Await(scheduler,
          std::make_unique<PrefillTask>(prefill, [&] { context = prefill->Finish()[0]; }));
    return context;
  };
  const auto one = start(200), two = start(200), three = start(200), small = start(0);
  read(one).get();
  auto first = finish(one);
  read(two).get();
  auto second = finish(two);
  Expect("two contexts and scratch", model->memory->granted() == 700);
  auto third = read(three), last = read(small);
  Expect("the third waits, and whoever came later too",
         third.wait_for(std::chrono::milliseconds(250)) == std::future_status::timeout &&
             last.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  Expect("both are said to wait", scheduler.stats().blocked == 2);
  Await(scheduler, Feeding(second, {1}));  // who has its memory goes on
  first.reset();
  scheduler.Wake();
  third.get(), finish(three);
  last.get(), finish(small);
  second.reset();
  Expect("all is given back but scratch", model->memory->granted() == 100);
}

// Where only idle contexts hold the memory, waiting has an end.
QPKV_TEST(SchedulerGivesUpWithoutMemory) {
  const auto model = TinyModel(EngineTables().front(), 1);
  const int vocab = model->description.vocab, layers = model->description.layers;
  model->memory->set_limit(1000);
  Scheduler scheduler(model->engine, std::chrono::milliseconds(200));
  const auto make = [&](int growth) {
    auto prefill = std::make_shared<Prefill>(model, TinyPrompt(40, vocab),
                                             std::vector<CompressionPlan>{FullPlan(*model)}, 0,
                                             Memory(0, 200, 10, growth));
    Await(scheduler, std::make_unique<PrefillJob>(prefill, layers, true));
    std::shared_ptr<Context> context;
    Await(scheduler,
          std::make_unique<PrefillTask>(prefill, [&] { context = prefill->Finish()[0]; }));
    return context;
  };
  const auto one = make(20), two = make(20);  // 400 each: 100 are left for ten tokens
  auto waiting = std::make_shared<Prefill>(model, TinyPrompt(40, vocab),
                                           std::vector<CompressionPlan>{FullPlan(*model)}, 0,
                                           Memory(0, 200, 10, 0));
  const Ended prompt = Submit(scheduler, std::make_unique<PrefillJob>(waiting, layers, true)).get();
  Expect("the prompt ends with KV_MEMORY", !std::strcmp(CodeOf(prompt.error), "KV_MEMORY"));
  // Both want more than is left: the younger ends, the elder has what it needs when that is gone.
  one->Expect(30), two->Expect(30);
  auto elder = Submit(scheduler, Feeding(one, TinyPrompt(35, vocab), false));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  auto younger = Submit(scheduler, Feeding(two, TinyPrompt(35, vocab), false));
  Expect("the younger ends", !std::strcmp(CodeOf(younger.get().error), "KV_MEMORY"));
  Expect("the elder still waits",
         elder.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  two->Expect(0);
  two->BeginGrowth(Grant(model->memory), 10, 40);  // what it held is given back
  scheduler.Wake();
  Expect("and goes on", elder.get().error == nullptr && one->tokens() == 75);
  // As long as a reply is open elsewhere nobody is given up.
  const auto three = make(0);
  three->Expect(5);
  const auto reader = std::make_unique<Open>(model->memory);
  auto patient = Submit(scheduler, Feeding(three, TinyPrompt(80, vocab), false));
  Expect("it waits for the reader",
         patient.wait_for(std::chrono::milliseconds(700)) == std::future_status::timeout);
  three->abort = true;
  scheduler.Wake();
  Expect("and can be cancelled", !std::strcmp(CodeOf(patient.get().error), "KV_ABORTED"));
}

}  // namespace
}  // namespace qpkv
