// See format_table.h.
#include "engine/format_table.h"

#include "engine/device_writes.h"

namespace qpkv {

FormatTable::FormatTable(std::shared_ptr<Engine> engine, const LayerPlan& plan)
    : engine_(std::move(engine)),
      key_form_(StoredFormOf(plan.keys.transform, plan.keys.signs)),
      value_form_(StoredFormOf(plan.values.transform, plan.values.signs)) {
  std::vector<std::vector<float>> codebooks;
  size_t floats = key_form_.signs.size() + value_form_.signs.size();
  for (Tensor tensor : {Tensor::kKey, Tensor::kValue})
    for (const SegmentPlan& segment : plan.segments) {
      const plan::TensorFormat& format = tensor == Tensor::kKey ? segment.key : segment.value;
      (tensor == Tensor::kKey ? keys_ : values_).push_back(FormatOf(format, RopeBefore(plan)));
      floats += codebooks.emplace_back(CodebookOf(format)).size();
    }
  const size_t formats = codebooks.size() * sizeof(TensorFormat);
  uint8_t* to =
      static_cast<uint8_t*>(memory_.Ensure(engine_->device, formats + floats * sizeof(float)));
  float* book = reinterpret_cast<float*>(to + formats);
  DeviceWrites writes;
  const auto write = [&](const std::vector<float>& from) -> const float* {
    if (from.empty()) return nullptr;
    writes.Add(book, from.data(), from.size() * sizeof(float));
    book += from.size();
    return book - from.size();
  };
  auto codebook = codebooks.begin();
  for (std::vector<TensorFormat>* all : {&keys_, &values_})
    for (TensorFormat& format : *all) {
      format.levels = write(*codebook++);
      writes.Add(to, &format, sizeof(format));
      to += sizeof(format);
    }
  key_signs_ = write(key_form_.signs);
  value_signs_ = write(value_form_.signs);
  writes.Run(*engine_);
}

}  // namespace qpkv
