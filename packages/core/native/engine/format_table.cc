// See format_table.h.
#include "engine/format_table.h"

#include "engine/device_writes.h"

namespace qpkv {

FormatTable::FormatTable(std::shared_ptr<Engine> engine, const LayerPlan& plan)
    : engine_(std::move(engine)) {
  size_t levels = 0;
  for (const SegmentPlan& segment : plan.segments)
    levels += segment.key.levels.size() + segment.value.levels.size();
  const size_t formats = 2 * plan.segments.size() * sizeof(TensorFormat);
  uint8_t* to =
      static_cast<uint8_t*>(memory_.Ensure(engine_->device, formats + levels * sizeof(float)));
  float* book = reinterpret_cast<float*>(to + formats);
  DeviceWrites writes;
  for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
    for (const SegmentPlan& segment : plan.segments) {
      const StoredFormat& stored = tensor == Tensor::kKey ? segment.key : segment.value;
      TensorFormat format = stored.format;
      format.levels = stored.levels.empty() ? nullptr : book;
      writes.Add(book, stored.levels.data(), stored.levels.size() * sizeof(float));
      book += stored.levels.size();
      writes.Add(to, &format, sizeof(format));
      to += sizeof(format);
      (tensor == Tensor::kKey ? keys_ : values_).push_back(format);
    }
  writes.Run(*engine_);
}

}  // namespace qpkv
