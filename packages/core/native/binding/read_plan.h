// The plan from JavaScript. Values that the engine cannot run are refused with KV_UNSUPPORTED,
// naming the field.
#pragma once
#include <napi.h>

#include <memory>

#include "engine/plan.h"

namespace qpkv {

CompressionPlan ReadPlan(const Napi::Object& plan, const StatisticList& statistics);
std::shared_ptr<const LayerPlan> ReadLayerPlan(const Napi::Object& layer,
                                               const StatisticList& statistics,
                                               const std::string& path);

}  // namespace qpkv
