// The backend: op table, statistics and devices behind core's one symbol (core's ops/backend.h).
#include <new>

#include "abi_hash.h"
#include "kernels/table.h"
#include "ops/backend.h"
#include "runtime/devices.h"
#include "statistics_of_cuda.h"

namespace qpkv {
namespace cuda {

#define QPKV_STATISTIC(NAME)         \
  namespace NAME {                   \
  extern const Statistic kStatistic; \
  }
QPKV_STATISTICS
#undef QPKV_STATISTIC

namespace {

void* Allocate(Stream& stream, size_t bytes) { return On(stream).queue.Allocate(bytes); }
void Release(Stream& stream, void* data, size_t) {
  if (data != nullptr) On(stream).queue.Release(data);
}
void Upload(Stream& stream, void* device, Host<const void> host, size_t bytes) {
  On(stream).queue.CopyIn(device, host.get(), bytes);
}
void Download(Stream& stream, Host<void> host, const void* device, size_t bytes) {
  On(stream).queue.CopyOut(host.get(), device, bytes);
}
void Copy(Stream& stream, void* to, const void* from, size_t bytes) {
  On(stream).queue.CopyWithin(to, from, bytes);
}
void Zero(Stream& stream, void* device, size_t bytes) { On(stream).queue.Fill(device, 0, bytes); }
StreamStatus Check(Stream& stream) { return On(stream).Check(); }
void Replay(Stream& stream, uint64_t key, Host<void> context, void (*body)(void* context)) {
  On(stream).Replay(key, context.get(), body);
}

const Ops kOps = {
    "cuda",         Allocate,        Release,
    Upload,         Download,        Copy,
    Zero,           Check,           Replay,
    LoadFloats,     Embed,           PackedWeightBytes,
    PackWeight,     Matmul,          RmsNorm,
    Rope,           Scale,           Glu,
    Experts,        StoreHeads,      PrefillAttention,
    ScoreOperation, ShareHeads,      Select,
    AppendTokens,   DecodeAttention, EvictLowest,
    MoveScores,     UploadPieces,    MeanTokens,
    Pack,           Unpack,          MarkTokens,
    CheckParts,     NoteNan,         CountTokens,
    Sample,
};

const StatisticList& Statistics() {
  static const Statistic items[] = {
#define QPKV_STATISTIC(NAME) NAME::kStatistic,
      QPKV_STATISTICS
#undef QPKV_STATISTIC
  };
  static const StatisticList list = {items, sizeof items / sizeof *items};
  return list;
}

Stream* CreateStream(int device, int threads) {
  if (device < 0 || device >= FindDevices().count) return nullptr;
  auto* stream = new (std::nothrow) CudaStream(device, threads);
  if (stream == nullptr || stream->queue.ok()) return reinterpret_cast<Stream*>(stream);
  delete stream;
  return nullptr;
}
void DestroyStream(Stream* stream) { delete &On(*stream); }
int Threads(const Stream&) { return 1; }

const Backend* Offer(uint64_t abi) {
  static const Backend other = RefusedBackend(kAbi, "it was built for another version of qpkv");
  if (abi != kAbi) return &other;
  static const Backend refused = RefusedBackend(kAbi, FindDevices().why_not);
  if (refused.why_not != nullptr) return &refused;
  static const Ops* const tables[] = {&kOps};
  static const StatisticList* const statistics[] = {&Statistics()};
  static const Backend backend = {kAbi,
                                  nullptr,
                                  "cuda",
                                  tables,
                                  statistics,
                                  1,
                                  FindDevices().list,
                                  FindDevices().count,
                                  CreateStream,
                                  DestroyStream,
                                  Threads};
  return &backend;
}

}  // namespace
}  // namespace cuda
}  // namespace qpkv

extern "C" __attribute__((visibility("default"))) const qpkv::Backend* qpkv_backend(uint64_t abi) {
  return qpkv::cuda::Offer(abi);
}
