// Options of statistics and of operations on scores as ops see them: a row of numbers, in the order
// of their descriptor. A choice of names is its index, truth 0 or 1.
#pragma once
#include <cstdint>

namespace qpkv {

constexpr int kMaxOptions = 8;  // slots

enum class OptionKind : uint8_t {
  kNumber,
  kNumberOrAbove,  // NaN stands for 'above'
  kTruth,
  kChoice,
  kQueries  // two slots: the last queries (0: all), and whether they end at the user's turn
};

struct OptionDescriptor {
  const char* name;
  OptionKind kind;
  const char* const* choices;  // [choice_count] or null
  int choice_count;
  double standard;
};

// Where options are laid out, queries take two slots.
constexpr int SlotsOf(const OptionDescriptor& option) {
  return option.kind == OptionKind::kQueries ? 2 : 1;
}

}  // namespace qpkv
