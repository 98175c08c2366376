// See position_list.h.
#include "engine/position_list.h"

namespace qpkv {
namespace {

constexpr uint8_t kMostLow = 31;  // bits of a code that are stored as they are

// Steps from position to position, 0 for the next one: small numbers of either sign made natural.
std::vector<uint64_t> StepsOf(const std::vector<int32_t>& positions) {
  std::vector<uint64_t> steps;
  int64_t expected = 0;
  for (int32_t position : positions) {
    const int64_t step = position - expected;
    steps.push_back(step >= 0 ? 2 * static_cast<uint64_t>(step)
                              : 2 * static_cast<uint64_t>(-step) - 1);
    expected = int64_t{position} + 1;
  }
  return steps;
}

uint64_t BitsOf(const std::vector<uint64_t>& steps, uint8_t low) {
  uint64_t bits = 0;
  for (uint64_t step : steps) bits += (step >> low) + 1 + low;
  return bits;
}

}  // namespace

void WritePositions(const std::vector<int32_t>& positions, ByteWriter* out) {
  const std::vector<uint64_t> steps = StepsOf(positions);
  uint8_t low = 0;
  for (uint8_t other = 1; other <= kMostLow; ++other)
    if (BitsOf(steps, other) < BitsOf(steps, low)) low = other;
  std::vector<uint8_t> coded((BitsOf(steps, low) + 7) / 8);
  uint64_t at = 0;
  const auto put = [&](bool bit) {
    if (bit) coded[at / 8] |= static_cast<uint8_t>(1u << (at % 8));
    ++at;
  };
  for (uint64_t step : steps) {
    for (uint64_t high = step >> low; high > 0; --high) put(true);
    put(false);
    for (int i = 0; i < low; ++i) put((step >> i & 1) != 0);
  }
  out->Put(static_cast<uint64_t>(positions.size()));
  out->Put(low);
  out->PutList(coded);
}

std::vector<int32_t> ReadPositions(ByteReader* in, int32_t end) {
  const uint64_t count = in->Get<uint64_t>();
  const uint8_t low = in->Get<uint8_t>();
  const std::vector<uint8_t> coded = in->GetList<uint8_t>();
  if (low > kMostLow || count > 8 * coded.size())
    ByteReader::Refuse("a list of positions is damaged");
  uint64_t at = 0;
  const auto next = [&] {
    if (at >= 8 * coded.size()) ByteReader::Refuse("a list of positions is cut");
    const bool bit = (coded[at / 8] >> (at % 8) & 1) != 0;
    ++at;
    return bit;
  };
  std::vector<int32_t> positions;
  positions.reserve(static_cast<size_t>(count));
  int64_t expected = 0;
  for (uint64_t n = 0; n < count; ++n) {
    uint64_t high = 0;
    while (next()) ++high;
    uint64_t step = high << low;
    for (int i = 0; i < low; ++i) step |= static_cast<uint64_t>(next()) << i;
    const int64_t position = (step & 1) == 0 ? expected + static_cast<int64_t>(step / 2)
                                             : expected - static_cast<int64_t>(step / 2) - 1;
    if (position < 0 || position >= end) ByteReader::Refuse("a position lies outside of the text");
    positions.push_back(static_cast<int32_t>(position));
    expected = position + 1;
  }
  return positions;
}

}  // namespace qpkv
