// See newest_queries.h.
#include "engine/newest_queries.h"

#include <algorithm>

namespace qpkv {

float* NewestQueries::Own() {
  const size_t bytes = sizeof(float) * static_cast<size_t>(count_) * width_;
  if (memory_ != nullptr && memory_.use_count() == 1) return memory_->floats();
  auto own = std::make_shared<Buffer>(engine_->device, bytes);
  if (memory_ != nullptr) engine_->ops.Copy(engine_->stream, own->data(), memory_->data(), bytes);
  memory_ = std::move(own);
  return memory_->floats();
}

void NewestQueries::Add(const StepRows& rows) {
  float* to = Own();
  for (int row = std::max(0, rows.rows - count_); row < rows.rows; ++row) {
    engine_->ops.Copy(engine_->stream, to + static_cast<size_t>(seen_ % count_) * width_,
                      rows.q + static_cast<size_t>(row) * rows.q_stride, sizeof(float) * width_);
    if (++seen_ == 2 * count_) seen_ = count_;
  }
}

std::vector<float> NewestQueries::Get() const {
  const int held = std::min(seen_, count_);
  std::vector<float> slots(static_cast<size_t>(count_) * width_), rows;
  if (held == 0) return rows;
  engine_->Download(slots.data(), memory_->data(), slots.size() * sizeof(float));
  for (int i = seen_ - held; i < seen_; ++i) {
    const auto slot = slots.begin() + static_cast<long>(i % count_) * width_;
    rows.insert(rows.end(), slot, slot + width_);
  }
  return rows;
}

void NewestQueries::Set(const std::vector<float>& rows) {
  seen_ = static_cast<int>(rows.size()) / width_;
  if (seen_ > 0) engine_->Upload(Own(), rows.data(), rows.size() * sizeof(float));
}

}  // namespace qpkv
