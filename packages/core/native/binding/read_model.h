// NativeModelDescription of addon.ts from JavaScript.
#pragma once
#include <napi.h>

#include "engine/model.h"

namespace qpkv {

ModelDescription ReadModel(const Napi::Object& description);

}  // namespace qpkv
