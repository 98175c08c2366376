// The host as a device: what every CPU table says about memory, copies and its stream.
#pragma once
#include "ops/ops.h"

namespace qpkv {

void* AllocateOnHost(Stream&, size_t bytes);
void ReleaseOnHost(Stream&, void* data, size_t bytes);
void UploadToHost(Stream&, void* device, Host<const void> host, size_t bytes);
void DownloadFromHost(Stream&, Host<void> host, const void* device, size_t bytes);
void CopyOnHost(Stream&, void* to, const void* from, size_t bytes);
void ZeroOnHost(Stream&, void* device, size_t bytes);
void UploadPiecesToHost(Stream&, const UploadPiecesArgs& args);
void MoveScoresOnHost(Stream&, const MoveScoresArgs& args);
StreamStatus CheckOnHost(Stream&);
void ReplayOnHost(Stream&, uint64_t key, Host<void> context, void (*body)(void* context));

}  // namespace qpkv
