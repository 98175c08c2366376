// NativeModelDescription of addon.ts from JavaScript.
#pragma once
#include <napi.h>

#include <memory>

#include "engine/load_model.h"

namespace qpkv {

ModelDescription ReadModel(const Napi::Object& description);

// Its place for a packed file; null where it has none.
std::shared_ptr<PackedPlace> ReadPackedPlace(const Napi::Object& description);

}  // namespace qpkv
