// Single values of packed weights.
#pragma once
#include "ops/dense_ops.h"

namespace qpkv {
namespace reference {

float WeightAt(const PackedWeight& weight, int row, int column);

}  // namespace reference
}  // namespace qpkv
