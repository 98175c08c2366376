// See crc32c.h.
#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace qpkv {
namespace {

constexpr int kChains = 4;

// crcs: [kChains], each over `bytes` bytes from its own start on.
using Update = void (*)(const uint8_t* const* from, size_t bytes, uint32_t* crcs);

void UpdateByTable(const uint8_t* const* from, size_t bytes, uint32_t* crcs) {
  static const std::array<uint32_t, 256> table = [] {
    std::array<uint32_t, 256> made{};
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0x82f63b78u : 0);
      made[i] = value;
    }
    return made;
  }();
  for (int chain = 0; chain < kChains; ++chain)
    for (size_t i = 0; i < bytes; ++i)
      crcs[chain] = (crcs[chain] >> 8) ^ table[(crcs[chain] ^ from[chain][i]) & 0xff];
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) void UpdateByInstruction(const uint8_t* const* from, size_t bytes,
                                                           uint32_t* crcs) {
  uint64_t crc[kChains] = {crcs[0], crcs[1], crcs[2], crcs[3]};
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8)
    for (int chain = 0; chain < kChains; ++chain) {
      uint64_t word;
      std::memcpy(&word, from[chain] + i, sizeof word);
      crc[chain] = _mm_crc32_u64(crc[chain], word);
    }
  for (; i < bytes; ++i)
    for (int chain = 0; chain < kChains; ++chain)
      crc[chain] = _mm_crc32_u8(static_cast<uint32_t>(crc[chain]), from[chain][i]);
  for (int chain = 0; chain < kChains; ++chain) crcs[chain] = static_cast<uint32_t>(crc[chain]);
}
bool HasInstruction() { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__)
__attribute__((target("+crc"))) void UpdateByInstruction(const uint8_t* const* from, size_t bytes,
                                                         uint32_t* crcs) {
  size_t i = 0;
  for (; i + 8 <= bytes; i += 8)
    for (int chain = 0; chain < kChains; ++chain) {
      uint64_t word;
      std::memcpy(&word, from[chain] + i, sizeof word);
      crcs[chain] = __builtin_aarch64_crc32cx(crcs[chain], word);
    }
  for (; i < bytes; ++i)
    for (int chain = 0; chain < kChains; ++chain)
      crcs[chain] = __builtin_aarch64_crc32cb(crcs[chain], from[chain][i]);
}
bool HasInstruction() {
#if defined(__APPLE__)
  return true;
#elif defined(__linux__)
  return getauxval(AT_HWCAP) & (1u << 7);  // HWCAP_CRC32
#else
  return false;
#endif
}
#else
constexpr Update UpdateByInstruction = UpdateByTable;
bool HasInstruction() { return false; }
#endif

void FourOf(const uint8_t* const* from, size_t bytes, uint32_t* crcs) {
  static const Update update = HasInstruction() ? UpdateByInstruction : UpdateByTable;
  for (int chain = 0; chain < kChains; ++chain) crcs[chain] = 0xffffffffu;
  update(from, bytes, crcs);
  for (int chain = 0; chain < kChains; ++chain) crcs[chain] = ~crcs[chain];
}

}  // namespace

uint32_t Crc32c(const void* data, size_t bytes) {
  uint32_t out;
  Crc32cChunks(data, bytes, bytes == 0 ? 1 : bytes, &out);
  if (bytes == 0) out = 0;
  return out;
}

void Crc32cChunks(const void* data, size_t bytes, size_t chunk, uint32_t* out) {
  const auto* at = static_cast<const uint8_t*>(data);
  uint32_t crcs[kChains];
  for (; bytes >= kChains * chunk; bytes -= kChains * chunk, at += kChains * chunk) {
    const uint8_t* const from[kChains] = {at, at + chunk, at + 2 * chunk, at + 3 * chunk};
    FourOf(from, chunk, crcs);
    std::memcpy(out, crcs, sizeof crcs);
    out += kChains;
  }
  for (; bytes > 0; ++out) {
    const size_t count = bytes < chunk ? bytes : chunk;
    const uint8_t* const from[kChains] = {at, at, at, at};
    FourOf(from, count, crcs);
    *out = crcs[0];
    at += count, bytes -= count;
  }
}

}  // namespace qpkv
