// NativeTileExport of probe.ts.
#pragma once
#include <napi.h>

#include "engine/kv_layer.h"

namespace qpkv {

Napi::Value ExportObject(Napi::Env env, const KvLayer& layer, int head);

}  // namespace qpkv
