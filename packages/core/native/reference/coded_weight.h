// Coded weights as the reference sees them: value by value, in double.
#pragma once
#include <vector>

#include "ops/weight_layout.h"
#include "reference/dense_ops.h"

namespace qpkv {
namespace reference {

float ReadElement(const void* data, Element element, size_t i);  // at any byte
double CodedWeight(const PackedWeight& weight, int row, int column);
// Row `row` of args.out, zeros behind args.row_end. The scale of a group is searched in double.
void PackCodedRow(const PackWeightArgs& args, int row);
// x [k] as 16-bit words with a power-of-two scale per group.
void RoundToWords(const float* x, int k, int group, std::vector<double>* out);
// x [k] as bytes -127..127 with a float scale per group, the largest value at 127.
void RoundToBytes(const float* x, int k, int group, std::vector<double>* out);

}  // namespace reference
}  // namespace qpkv
