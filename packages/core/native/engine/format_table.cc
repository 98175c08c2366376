// See format_table.h.
#include "engine/format_table.h"

#include "engine/device_writes.h"

namespace qpkv {

FormatTable::FormatTable(std::shared_ptr<Engine> engine, const LayerPlan& plan)
    : engine_(std::move(engine)), key_form_(plan.keys), value_form_(plan.values) {
  size_t levels = key_form_.signs.size() + value_form_.signs.size();
  for (const SegmentPlan& segment : plan.segments)
    levels += segment.key.levels.size() + segment.value.levels.size();
  const size_t formats = 2 * plan.segments.size() * sizeof(TensorFormat);
  uint8_t* to =
      static_cast<uint8_t*>(memory_.Ensure(engine_->device, formats + levels * sizeof(float)));
  float* book = reinterpret_cast<float*>(to + formats);
  DeviceWrites writes;
  const auto write = [&](const std::vector<float>& floats) -> const float* {
    if (floats.empty()) return nullptr;
    writes.Add(book, floats.data(), floats.size() * sizeof(float));
    book += floats.size();
    return book - floats.size();
  };
  for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
    for (const SegmentPlan& segment : plan.segments) {
      const StoredFormat& stored = tensor == Tensor::kKey ? segment.key : segment.value;
      TensorFormat format = stored.format;
      format.levels = write(stored.levels);
      writes.Add(to, &format, sizeof(format));
      to += sizeof(format);
      (tensor == Tensor::kKey ? keys_ : values_).push_back(format);
    }
  key_signs_ = write(key_form_.signs);
  value_signs_ = write(value_form_.signs);
  writes.Run(*engine_);
}

}  // namespace qpkv
