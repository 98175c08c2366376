// The engine thread of a model: one queue, from which running streams and prompts take turns.
//
//   streams   all that are ready step together; then
//   prompts   one unit (a chunk of one layer, or the compression of a layer) of the oldest prefill.
//
// So a stream waits for one unit of a prompt at most, a prompt for one step of the streams, and the
// k-th prompt for the k - 1 before it. Nothing here waits for whoever submits: a prefill whose
// next job has not come yet is passed over, and so is a stream. Only a step of streams looks round
// for those of the last step that are just about to come back, for a small part of a step's time.
//
// A job whose memory is not granted (engine/memory_ledger.h) waits: prompts in their order,
// contexts while the others go on. Where nobody can go on and nobody else is at work, only a caller
// could give memory back; after `stall_limit` the youngest reply ends with KV_MEMORY, or the oldest
// prompt.
#pragma once
#include <chrono>
#include <condition_variable>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "engine/job.h"

namespace qpkv {

struct SchedulerStats {
  size_t streams = 0, prompts = 0;  // jobs that run or wait
  size_t blocked = 0;               // of them, those that wait for memory
  uint64_t steps = 0, rows = 0;     // of streams, so far
  uint64_t prompt_rows = 0;         // rows of prompts times layers that they passed, so far
  int batch = 0;                    // streams in the last step
};

class Scheduler {
 public:
  explicit Scheduler(std::shared_ptr<Engine> engine,
                     std::chrono::milliseconds stall_limit = std::chrono::milliseconds(10000));
  ~Scheduler() { Stop(); }

  // Any thread. Jobs of one sequence must not overlap. After Stop() a job ends at once.
  void Submit(std::unique_ptr<Job> job);
  // Something was cancelled: its job ends before the next unit. Or memory was given back.
  void Wake();
  // Ends all jobs with KV_ABORTED, that which runs after its unit, and waits for it.
  void Stop();
  SchedulerStats stats() const;

 private:
  using Clock = std::chrono::steady_clock;
  using Lock = std::unique_lock<std::mutex>;
  using Queue = std::list<std::unique_ptr<Job>>;
  struct End {
    std::unique_ptr<Job> job;
    std::exception_ptr error;
  };

  void Loop();
  bool EndCancelled(Lock* lock);
  void AwaitReturning(Lock* lock);
  bool RunStreams(Lock* lock);
  bool RunPrompt(Lock* lock);
  void AwaitMemory(Lock* lock);
  Job* NextPrompt();
  std::vector<Job*> NextBatch();
  void RunUnit(Job* job);
  void StepTogether(const std::vector<Job*>& batch);
  void FinishJob(Job* job, std::exception_ptr error);
  void TakeOut(Queue* queue, Lock* lock);
  static void Tell(std::vector<End> ends);

  const std::shared_ptr<Engine> engine_;
  const std::chrono::milliseconds stall_limit_;
  mutable std::mutex mutex_;  // of all below, never held during a unit
  std::condition_variable changed_;
  Queue streams_, prompts_;          // prompts in their order; only the engine thread takes out
  std::set<const void*> returning_;  // sequences of the last step that have no job yet
  SchedulerStats stats_;
  std::vector<Job*> blocked_;  // replies and texts that wait for memory in this round
  size_t blocked_prompts_ = 0;
  bool stopping_ = false, woken_ = false;
  // Of the engine thread.
  std::vector<std::pair<Job*, std::exception_ptr>> finished_;  // in the running unit
  Clock::duration last_step_{};
  Clock::time_point last_unit_ = Clock::now();
  std::thread thread_;  // last: it uses all the others
};

}  // namespace qpkv
