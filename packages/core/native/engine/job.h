// Work for the engine thread (scheduler.h), done in units: rows of a step that others take part in
// too, or something that has the engine to itself.
#pragma once
#include <exception>
#include <functional>
#include <memory>

#include "engine/step.h"

namespace qpkv {

// Streams: what somebody waits for token by token. Prompts: prefills, one after another.
enum class Lane : uint8_t { kStreams, kPrompts };

class Job {
 public:
  virtual ~Job() = default;

  // What a job needs to stay where it is until the job is gone.
  std::shared_ptr<void> held;
  // Called once, on the engine thread, which does not touch the job afterwards.
  std::function<void(std::unique_ptr<Job>, std::exception_ptr)> ended;

  virtual Lane lane() const { return Lane::kStreams; }
  // Of prompts: those with a lower number come first.
  virtual uint64_t order() const { return 0; }
  // Whether it is to end before its next unit, and the error that says so.
  virtual bool cancelled() const { return false; }
  virtual Error Cancelled() const { return Error("KV_ABORTED", "The work was cancelled."); }

  // Whether there is memory for the next unit, which is granted then; a job without it waits.
  virtual bool Admit() { return true; }
  virtual bool admitted() const { return true; }  // was so before
  // Whether anybody but `blocked` waiting replies is at work and will give memory back.
  virtual bool OthersAtWork(int /*blocked*/) const { return false; }
  virtual Error NoMemory() const { return Error("KV_MEMORY", "Out of memory."); }

  // Whose step the next unit takes part in; null: Run(), outside of steps.
  virtual const Model* model() const { return nullptr; }
  virtual int rows() const { return 0; }  // of that step
  // All may throw, which ends the job.
  virtual Work Next() { return {}; }
  virtual void Took(const Outcome& /*outcome*/) {}
  virtual void Run() {}
  virtual bool done() const { return true; }
  // Who comes back with a next job as soon as this one has ended; null: nobody.
  virtual const void* returns() const { return nullptr; }
};

}  // namespace qpkv
