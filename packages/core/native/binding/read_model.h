// NativeModelDescription of addon.ts from JavaScript.
#pragma once
#include <napi.h>

#include <memory>
#include <string>

#include "base/block_source.h"
#include "engine/load_model.h"

namespace qpkv {

// Names as TypeScript writes them; false for exact elements.
bool BlockTypeOf(const std::string& name, BlockType* type);

ModelDescription ReadModel(const Napi::Object& description);

// Where its packed file is; null where it has none.
std::shared_ptr<PackedLocation> ReadPackedLocation(const Napi::Object& description);

}  // namespace qpkv
