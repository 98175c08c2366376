// NativeSampling and NativeToken of addon.ts.
#pragma once
#include <napi.h>

#include "engine/sampling.h"
#include "ops/output_ops.h"

namespace qpkv {

Sampling ReadSampling(const Napi::Object& from, int vocab);
// logprobs: as many as were asked for, see SampleRow.
Napi::Value TokenObject(Napi::Env env, const SampledToken& token, int logprobs);

}  // namespace qpkv
