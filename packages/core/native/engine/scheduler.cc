// See scheduler.h.
#include "engine/scheduler.h"

#include <algorithm>

#include "engine/layer_forward.h"

namespace qpkv {
namespace {

using std::chrono::microseconds;

// How long a step waits for streams that are about to come back.
constexpr microseconds kShortestWait{300}, kLongestWait{10000};
constexpr int kWaitShare = 10;                   // of the last step's time
constexpr std::chrono::milliseconds kPoll{100};  // while all wait for memory

std::exception_ptr Because(const Error& error) { return std::make_exception_ptr(error); }

}  // namespace

Scheduler::Scheduler(std::shared_ptr<Engine> engine, std::chrono::milliseconds stall_limit)
    : engine_(std::move(engine)), stall_limit_(stall_limit) {
  thread_ = std::thread([this] { Loop(); });
}

void Scheduler::Submit(std::unique_ptr<Job> job) {
  std::vector<End> refused;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (stopping_) {
      refused.push_back({std::move(job), Because(Error("KV_ABORTED", "The engine has ended."))});
    } else {
      returning_.erase(job->returns());
      Queue& queue = job->lane() == Lane::kStreams ? streams_ : prompts_;
      auto at = queue.end();
      while (at != queue.begin() && (*std::prev(at))->order() > job->order()) --at;
      queue.insert(at, std::move(job));
    }
  }
  changed_.notify_all();
  Tell(std::move(refused));
}

void Scheduler::Wake() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    woken_ = true;
  }
  changed_.notify_all();
}

void Scheduler::Stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

SchedulerStats Scheduler::stats() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  SchedulerStats stats = stats_;
  stats.streams = streams_.size();
  stats.prompts = prompts_.size();
  stats.blocked = blocked_.size() + blocked_prompts_;
  return stats;
}

void Scheduler::Loop() {
  Lock lock(mutex_);
  bool prompt_next = false;
  for (;;) {
    woken_ = false;
    blocked_.clear();
    blocked_prompts_ = 0;
    if (EndCancelled(&lock)) continue;
    if (stopping_) return;
    if (streams_.empty() && prompts_.empty()) {
      changed_.wait(lock,
                    [&] { return stopping_ || woken_ || !streams_.empty() || !prompts_.empty(); });
      last_unit_ = Clock::now();
      continue;
    }
    if (prompt_next && RunPrompt(&lock)) {
      prompt_next = false;
    } else if (RunStreams(&lock)) {
      prompt_next = true;
    } else if (!RunPrompt(&lock)) {
      AwaitMemory(&lock);
      continue;
    }
    last_unit_ = Clock::now();
  }
}

// Whether there were any; the lock was let go then.
bool Scheduler::EndCancelled(Lock* lock) {
  std::vector<End> ends;
  for (Queue* queue : {&streams_, &prompts_})
    for (auto at = queue->begin(); at != queue->end();) {
      if (!stopping_ && !(*at)->cancelled()) {
        ++at;
        continue;
      }
      const Error why = (*at)->Cancelled();
      ends.push_back({std::move(*at), Because(why)});
      at = queue->erase(at);
    }
  if (ends.empty()) return false;
  lock->unlock();
  Tell(std::move(ends));
  lock->lock();
  return true;
}

// Streams that step apart cost a step each, so a short wait brings them together again.
void Scheduler::AwaitReturning(Lock* lock) {
  if (returning_.empty()) return;
  const Clock::duration wait =
      std::clamp<Clock::duration>(last_step_ / kWaitShare, kShortestWait, kLongestWait);
  const size_t prompts = prompts_.size();
  changed_.wait_for(*lock, wait, [&] {
    return returning_.empty() || stopping_ || woken_ || prompts_.size() != prompts;
  });
  returning_.clear();
}

bool Scheduler::RunStreams(Lock* lock) {
  if (streams_.empty()) return false;
  if (NextPrompt() == nullptr) AwaitReturning(lock);
  const std::vector<Job*> batch = NextBatch();
  std::vector<Job*> alone;
  for (const auto& job : streams_)
    if (job->model() == nullptr) (job->Admit() ? alone : blocked_).push_back(job.get());
  if (alone.empty() && batch.empty()) return false;
  lock->unlock();
  for (Job* job : alone) RunUnit(job);
  const Clock::time_point before = Clock::now();
  if (!batch.empty()) StepTogether(batch);
  last_step_ = Clock::now() - before;
  lock->lock();
  TakeOut(&streams_, lock);
  return true;
}

// All that wait for single tokens, and one of those that have many: it goes to the end afterwards,
// so that the next one has its turn.
std::vector<Job*> Scheduler::NextBatch() {
  std::vector<Job*> batch;
  auto many = streams_.end();
  int rows = 0;
  blocked_.clear();
  for (auto at = streams_.begin(); at != streams_.end(); ++at) {
    Job& job = **at;
    if (job.model() == nullptr || (!batch.empty() && job.model() != batch[0]->model())) continue;
    if (job.rows() > 1 && many != streams_.end()) continue;
    if (rows + job.rows() > kChunkTokens) break;
    if (!job.Admit()) {
      blocked_.push_back(&job);
      continue;
    }
    if (job.rows() > 1) many = at;
    rows += job.rows();
    batch.push_back(&job);
  }
  if (many != streams_.end()) streams_.splice(streams_.end(), streams_, many);
  if (!batch.empty()) {
    ++stats_.steps;
    stats_.rows += static_cast<uint64_t>(rows);
    stats_.batch = static_cast<int>(batch.size());
  }
  return batch;
}

// The oldest that has its memory; nobody is granted any before those that came earlier.
Job* Scheduler::NextPrompt() {
  size_t waiting = 0;
  for (const auto& job : prompts_) {
    if (job->admitted() || (waiting == 0 && job->Admit())) return job.get();
    ++waiting;
  }
  blocked_prompts_ = waiting;
  return nullptr;
}

bool Scheduler::RunPrompt(Lock* lock) {
  Job* job = NextPrompt();
  if (job == nullptr) return false;
  const int rows = job->model() != nullptr ? job->rows() : 0;
  lock->unlock();
  if (job->model() != nullptr)
    StepTogether({job});
  else
    RunUnit(job);
  lock->lock();
  stats_.prompt_rows += static_cast<uint64_t>(rows);
  TakeOut(&prompts_, lock);
  return true;
}

// Nothing that is here has memory to go on with.
void Scheduler::AwaitMemory(Lock* lock) {
  changed_.wait_for(*lock, kPoll);
  if (Clock::now() - last_unit_ < stall_limit_ || stopping_ || woken_) return;
  Job* given_up = !blocked_.empty() ? blocked_.back() : prompts_.front().get();
  // Others still read a reply or look into a layer: they will go on, and end.
  if (given_up->OthersAtWork(static_cast<int>(blocked_.size()))) return;
  FinishJob(given_up, Because(given_up->NoMemory()));
  TakeOut(blocked_.empty() ? &prompts_ : &streams_, lock);
  last_unit_ = Clock::now();
}

void Scheduler::RunUnit(Job* job) {
  try {
    job->Run();
    FinishJob(job, nullptr);
  } catch (...) {
    FinishJob(job, std::current_exception());
  }
}

void Scheduler::StepTogether(const std::vector<Job*>& batch) {
  EngineLock lock(*engine_);
  std::vector<Work> work;
  std::vector<Job*> jobs;
  for (Job* job : batch) {
    try {
      work.push_back(job->Next());
      jobs.push_back(job);
    } catch (...) {
      FinishJob(job, std::current_exception());
    }
  }
  if (jobs.empty()) return;
  std::vector<Outcome> outcomes;
  try {
    outcomes = Step(*jobs[0]->model(), work);
  } catch (...) {
    for (Job* job : jobs) FinishJob(job, std::current_exception());
    return;
  }
  for (size_t i = 0; i < jobs.size(); ++i) {
    try {
      jobs[i]->Took(outcomes[i]);
      FinishJob(jobs[i], nullptr);
    } catch (...) {
      FinishJob(jobs[i], std::current_exception());
    }
  }
}

void Scheduler::FinishJob(Job* job, std::exception_ptr error) {
  if (error != nullptr || job->done()) finished_.emplace_back(job, std::move(error));
}

// Those that have ended leave the queue and are told so.
void Scheduler::TakeOut(Queue* queue, Lock* lock) {
  std::vector<End> ends;
  for (auto& [job, error] : finished_) {
    const auto at = std::find_if(queue->begin(), queue->end(),
                                 [&, job = job](const auto& held) { return held.get() == job; });
    if (error == nullptr && job->returns() != nullptr) returning_.insert(job->returns());
    ends.push_back({std::move(*at), std::move(error)});
    queue->erase(at);
  }
  finished_.clear();
  if (ends.empty()) return;
  lock->unlock();
  Tell(std::move(ends));
  lock->lock();
}

void Scheduler::Tell(std::vector<End> ends) {
  for (End& end : ends) {
    const auto ended = std::move(end.job->ended);
    if (ended) ended(std::move(end.job), std::move(end.error));
  }
}

}  // namespace qpkv
