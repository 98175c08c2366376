// Memory of the host device: 64-byte aligned, in huge pages where that helps, and the copies of the
// op table.
#pragma once
#include <cstddef>

namespace qpkv {

class Stream;

void* AllocateAligned(size_t bytes);  // null when there is no memory; contents unspecified
void ReleaseAligned(void* data, size_t bytes);

void UploadBytes(Stream&, void* device, const void* host, size_t bytes);
void DownloadBytes(Stream&, void* host, const void* device, size_t bytes);
void CopyBytes(Stream&, void* to, const void* from, size_t bytes);
void ZeroBytes(Stream&, void* device, size_t bytes);

}  // namespace qpkv
