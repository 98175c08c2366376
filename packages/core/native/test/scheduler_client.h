// Whoever waits for jobs of a scheduler, as promises do in JavaScript.
#pragma once
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "engine/jobs.h"
#include "engine/scheduler.h"
#include "test/harness.h"

namespace qpkv {

const Sampling kGreedyChoice{};

struct Ended {
  std::unique_ptr<Job> job;
  std::exception_ptr error;
};

inline std::future<Ended> Submit(Scheduler& scheduler, std::unique_ptr<Job> job) {
  auto told = std::make_shared<std::promise<Ended>>();
  std::future<Ended> ended = told->get_future();
  job->ended = [told](std::unique_ptr<Job> done, std::exception_ptr error) {
    told->set_value({std::move(done), std::move(error)});
  };
  scheduler.Submit(std::move(job));
  return ended;
}

// Throws what ended the job.
template <class J>
std::unique_ptr<J> Await(Scheduler& scheduler, std::unique_ptr<J> job) {
  Ended ended = Submit(scheduler, std::move(job)).get();
  if (ended.error != nullptr) std::rethrow_exception(ended.error);
  return std::unique_ptr<J>(static_cast<J*>(ended.job.release()));
}

inline std::unique_ptr<FeedJob> Feeding(const std::shared_ptr<Context>& context,
                                        std::vector<int32_t> ids, bool choose = true) {
  return std::make_unique<FeedJob>(context, std::move(ids), false,
                                   choose ? std::optional<Sampling>(kGreedyChoice) : std::nullopt);
}

inline const char* CodeOf(const std::exception_ptr& error) {
  if (error == nullptr) return "done";
  try {
    std::rethrow_exception(error);
  } catch (const Error& known) {
    return known.code();
  }
}

}  // namespace qpkv
