// See load_model.h.
#include "engine/load_model.h"

namespace qpkv {

std::shared_ptr<Model> LoadModel(const std::shared_ptr<Engine>& engine,
                                 const ModelDescription& description,
                                 const PackedLocation* location) {
  if (location == nullptr) return std::make_shared<Model>(engine, description);
  const int threads = engine->device.threads();
  std::string unsound, trouble;
  std::shared_ptr<PackedFile> file = PackedFile::Open(*location, threads, &unsound);
  const bool found = file != nullptr;
  if (!found) file = PackedFile::Create(*location, &trouble);
  auto model = std::make_shared<Model>(engine, description, file);
  if (found) {
    model->packed = PackedState::kMapped;
  } else if (file != nullptr && file->Finish(threads, &trouble)) {
    model->packed = PackedState::kWritten;
    if (!unsound.empty()) model->packed_note = "was made anew: " + unsound;
  } else {
    model->packed_note = "is not kept: " + trouble;
  }
  return model;
}

}  // namespace qpkv
