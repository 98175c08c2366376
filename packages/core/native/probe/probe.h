// What tests reach into: one layer on its own, and what the parts of a context hold. Test builds
// only (QPKV_TESTS); see packages/core/test/support/probe.ts.
#pragma once
#include <napi.h>

namespace qpkv {

// `probe` of the addon.
Napi::Object DefineProbe(Napi::Env env);
Napi::Function DefineLayerCache(Napi::Env env);

}  // namespace qpkv
