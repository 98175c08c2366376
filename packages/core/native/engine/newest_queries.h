// The newest queries of a layer, kept on the device for eviction by a score that is measured anew.
// Forks share them until one goes on.
#pragma once
#include <memory>
#include <vector>

#include "engine/attention_view.h"
#include "engine/buffer.h"
#include "engine/engine.h"

namespace qpkv {

class NewestQueries {
 public:
  // Of queries of `width` floats (all query heads), the last `count`.
  NewestQueries(std::shared_ptr<Engine> engine, int count, int width)
      : engine_(std::move(engine)), count_(count), width_(width) {}

  // Keeps those of a step; an op in the layer loop.
  void Add(const StepRows& rows);
  // [count, width], oldest first; fewer where fewer have been seen.
  std::vector<float> Get() const;
  void Set(const std::vector<float>& rows);  // from Get()
  int width() const { return width_; }
  int most() const { return count_; }

 private:
  float* Own();

  std::shared_ptr<Engine> engine_;
  int count_, width_;
  int seen_ = 0;  // rows so far, at most 2 * count_: row i lies in slot i % count_
  std::shared_ptr<Buffer> memory_;  // [count, width]
};

}  // namespace qpkv
