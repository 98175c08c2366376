// CRC-32C (Castagnoli, reflected, as in iSCSI and ext4): finds damage in stored bytes. By the CPU's
// own instruction where it has one.
#pragma once
#include <cstddef>
#include <cstdint>

namespace qpkv {

uint32_t Crc32c(const void* data, size_t bytes);

// One checksum per `chunk` bytes, the last chunk may be shorter. Four chunks at a time: an
// instruction waits for the one before it in its own chunk only.
void Crc32cChunks(const void* data, size_t bytes, size_t chunk, uint32_t* out);

}  // namespace qpkv
