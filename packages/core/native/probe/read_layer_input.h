// LayerOptions of probe.ts, read and checked.
#pragma once
#include "binding/convert.h"
#include "engine/observe_layer.h"

namespace qpkv {

LayerInput ReadLayerInput(const Napi::Object& from);

}  // namespace qpkv
