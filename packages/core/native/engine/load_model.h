// Loads a model: mapped from a packed file, packed into a new one, or packed into memory.
#pragma once
#include <memory>

#include "engine/model.h"

namespace qpkv {

// location: null where matrices stay in the device's memory. Called while the engine is locked.
std::shared_ptr<Model> LoadModel(const std::shared_ptr<Engine>& engine,
                                 const ModelDescription& description,
                                 const PackedLocation* location);

}  // namespace qpkv
