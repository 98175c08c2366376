// See mirror.h.
#include "mirror/mirror.h"

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "abi_hash.h"
#include "base/stream.h"
#include "mirror/arena.h"
#include "mirror/op_memory.h"
#include "ops/cpu_backend.h"

namespace qpkv {
namespace {

using Recording = std::vector<std::function<void(Stream&)>>;

// One for the process: several streams share it, as several engines share a device.
struct Mirror {
  const Ops& inner = *CpuBackend(kAbi)->tables[0];
  Arena arena;
  MirrorCounts counts{};
  std::mutex mutex;
  std::map<std::pair<const Stream*, uint64_t>, Recording> recordings;
  std::map<const Stream*, Recording*> recording;  // bodies that run now
  std::map<const Stream*, bool> out_of_memory;
};
Mirror& The() {
  static Mirror mirror;
  return mirror;
}

[[noreturn]] void Refuse(const char* op, const char* what) {
  std::fprintf(stderr, "mirror: %s: %s\n", op, what);
  std::abort();
}

void CheckOwned(const char* op, const void* data, size_t bytes) {
  if (data != nullptr && bytes > 0 && !The().arena.Owns(data, bytes))
    Refuse(op, "a pointer that is not this device's memory");
}

Recording* Recorder(const Stream& stream) {
  std::lock_guard<std::mutex> lock(The().mutex);
  const auto found = The().recording.find(&stream);
  return found == The().recording.end() ? nullptr : found->second;
}

// Turns the pointers of an op's arguments, those that lie on the device included (op_memory.h),
// into those by which the op can reach what they mean. Whatever it is not told of stays closed to
// it.
class Opening {
 public:
  Opening(const char* op, bool recorded) : op_(op), recorded_(recorded) {}

  template <class T>
  void at(T*& data, size_t count) {
    size_t size = 1;
    if constexpr (!std::is_void_v<T>) size = sizeof(T);
    if (data == nullptr || count == 0) return;
    CheckOwned(op_, data, count * size);
    data = The().arena.Opened(data);
  }
  template <class T, class Inner>
  void each(T*& data, size_t count, const Inner& inner) {
    at(data, count);
    if (data != nullptr && count > 0) data = Copies(data, count, inner);
  }
  template <class T, class Inner>
  void each_on_host(Host<T>& data, size_t count, const Inner& inner) {
    on_host(data);
    if (count > 0) data = OnHost<T>(Copies(data.get(), count, inner));
  }
  template <class T>
  void on_host(Host<T> data) const {
    if (recorded_ && data) Refuse(op_, "host memory inside of a Replay");
  }
  template <class T>
  const T* look(const T* data) const {
    if (data == nullptr) return nullptr;
    CheckOwned(op_, data, sizeof(T));
    return The().arena.Opened(data);
  }
  size_t weight_bytes(const PackedWeight& weight) const {
    return The().inner.PackedWeightBytes(weight.format, weight.n, weight.k);
  }

 private:
  template <class T, class Inner>
  std::remove_const_t<T>* Copies(T* data, size_t count, const Inner& inner) {
    using Item = std::remove_const_t<T>;
    const auto items = std::make_shared<std::vector<Item>>(data, data + count);
    for (Item& item : *items) inner(item);
    alive_.push_back(items);
    return items->data();
  }

  const char* op_;
  bool recorded_;
  std::vector<std::shared_ptr<void>> alive_;
};

// A lack of scratch waits for Check.
template <class Call>
void Run(Stream& stream, const Call& call) {
  Mirror& mirror = The();
  {
    std::lock_guard<std::mutex> lock(mirror.mutex);
    ++mirror.counts.ops;
  }
  try {
    call();
  } catch (const std::bad_alloc&) {
    std::lock_guard<std::mutex> lock(mirror.mutex);
    mirror.out_of_memory[&stream] = true;
  }
}

// The op that a member of the table names.
template <auto op, class Args>
void Mirrored(const char* name, Stream& stream, const Args& args) {
  static_assert(std::is_trivially_copyable_v<Args>, "arguments are plain structs");
  Recording* recording = Recorder(stream);
  if constexpr (std::is_same_v<Args, UploadPiecesArgs>) ++The().counts.uploads;
  if (recording != nullptr)
    recording->push_back([name, args](Stream& on) { Mirrored<op, Args>(name, on, args); });
  Run(stream, [&] {
    Opening opening(name, recording != nullptr);
    Args opened = args;
    VisitMemory(opened, opening);
    (The().inner.*op)(stream, opened);
  });
}

void* Allocate(Stream&, size_t bytes) { return The().arena.Take(bytes == 0 ? 1 : bytes); }
void Release(Stream&, void* data, size_t) {
  if (data != nullptr) The().arena.Give(data);
}

void Upload(Stream& stream, void* device, Host<const void> host, size_t bytes) {
  CheckOwned("Upload", device, bytes);
  if (Recorder(stream) != nullptr) Refuse("Upload", "host memory inside of a Replay");
  ++The().counts.uploads;
  Run(stream, [&] { The().inner.Upload(stream, The().arena.Opened(device), host, bytes); });
}
void Download(Stream& stream, Host<void> host, const void* device, size_t bytes) {
  CheckOwned("Download", device, bytes);
  if (Recorder(stream) != nullptr) Refuse("Download", "host memory inside of a Replay");
  ++The().counts.downloads;
  Run(stream, [&] { The().inner.Download(stream, host, The().arena.Opened(device), bytes); });
}
void Copy(Stream& stream, void* to, const void* from, size_t bytes) {
  CheckOwned("Copy", to, bytes);
  CheckOwned("Copy", from, bytes);
  if (Recording* recording = Recorder(stream))
    recording->push_back([=](Stream& on) { Copy(on, to, from, bytes); });
  Run(stream,
      [&] { The().inner.Copy(stream, The().arena.Opened(to), The().arena.Opened(from), bytes); });
}
void Zero(Stream& stream, void* device, size_t bytes) {
  CheckOwned("Zero", device, bytes);
  if (Recording* recording = Recorder(stream))
    recording->push_back([=](Stream& on) { Zero(on, device, bytes); });
  Run(stream, [&] { The().inner.Zero(stream, The().arena.Opened(device), bytes); });
}

StreamStatus Check(Stream& stream) {
  std::lock_guard<std::mutex> lock(The().mutex);
  ++The().counts.checks;
  bool& lacking = The().out_of_memory[&stream];
  if (!lacking) return {Trouble::kNone, nullptr};
  lacking = false;
  return {Trouble::kMemory, "there is no memory left for the scratch space of an operation"};
}

void Replay(Stream& stream, uint64_t key, Host<void> context, void (*body)(void* context)) {
  if (key == 0) return body(context.get());
  Mirror& mirror = The();
  Recording* kept = nullptr;
  bool known = false;
  {
    std::lock_guard<std::mutex> lock(mirror.mutex);
    const auto at = mirror.recordings.find({&stream, key});
    known = at != mirror.recordings.end();
    kept = &mirror.recordings[{&stream, key}];
    ++(known ? mirror.counts.replays : mirror.counts.recordings);
    if (!known) mirror.recording[&stream] = kept;
  }
  if (known) {
    for (const auto& call : *kept) call(stream);
    return;
  }
  body(context.get());
  std::lock_guard<std::mutex> lock(mirror.mutex);
  mirror.recording.erase(&stream);
}

const Ops& Table() {
  static const Ops table = [] {
    Ops ops = The().inner;  // PackedWeightBytes looks at no memory
    ops.name = "mirror";
    ops.Allocate = Allocate;
    ops.Release = Release;
    ops.Upload = Upload;
    ops.Download = Download;
    ops.Copy = Copy;
    ops.Zero = Zero;
    ops.Check = Check;
    ops.Replay = Replay;
#define QPKV_MIRROR(NAME) \
  ops.NAME = [](Stream& stream, const auto& args) { Mirrored<&Ops::NAME>(#NAME, stream, args); };
    QPKV_OPS_WITH_ARGUMENTS(QPKV_MIRROR)
#undef QPKV_MIRROR
    return ops;
  }();
  return table;
}

// Statistics run like ops. A list holds plain functions, so each has its own.
constexpr int kMostStatistics = 64;
const StatisticList& InnerStatistics() { return *CpuBackend(kAbi)->statistics[0]; }
template <int kIndex>
void MirroredStatistic(Stream& stream, const StatisticArgs& args) {
  const Statistic& inner = InnerStatistics().items[kIndex];
  if (Recorder(stream) != nullptr) Refuse(inner.about->name, "a statistic inside of a Replay");
  Run(stream, [&] {
    Opening opening(inner.about->name, false);
    StatisticArgs opened = args;
    VisitMemory(opened, inner, opening);
    inner.run(stream, opened);
  });
}

template <int... kIndices>
const StatisticList& MirroredStatistics(std::integer_sequence<int, kIndices...>) {
  static Statistic items[kMostStatistics];
  static const StatisticList list = [] {
    const StatisticList& inner = InnerStatistics();
    if (inner.count > kMostStatistics) Refuse("statistics", "more of them than it has functions");
    const decltype(Statistic::run) runs[] = {MirroredStatistic<kIndices>...};
    for (int i = 0; i < inner.count; ++i) {
      items[i] = inner.items[i];
      items[i].run = runs[i];
    }
    return StatisticList{items, inner.count};
  }();
  return list;
}
const StatisticList& Statistics() {
  return MirroredStatistics(std::make_integer_sequence<int, kMostStatistics>());
}

void DestroyMirrorStream(Stream* stream) {
  {
    std::lock_guard<std::mutex> lock(The().mutex);
    auto& kept = The().recordings;
    for (auto at = kept.begin(); at != kept.end();)
      at = at->first.first == stream ? kept.erase(at) : std::next(at);
    The().out_of_memory.erase(stream);
  }
  CpuBackend(kAbi)->DestroyStream(stream);
}

}  // namespace
}  // namespace qpkv

#define QPKV_EXPORT extern "C" __attribute__((visibility("default")))

QPKV_EXPORT const qpkv::Backend* qpkv_backend(uint64_t abi) {
  using namespace qpkv;
  static const Backend refused = RefusedBackend(kAbi, "it was built for another version of qpkv");
  if (abi != kAbi) return &refused;
  static const Ops* const tables[] = {&Table()};
  static const StatisticList* const statistics[] = {&Statistics()};
  static const Device device = {"mirror", 0};
  static const Backend backend = [] {
    Backend mirror = *CpuBackend(kAbi);  // its streams are the CPU's
    mirror.name = "mirror";
    mirror.tables = tables;
    mirror.statistics = statistics;
    mirror.table_count = 1;
    mirror.devices = &device;
    mirror.DestroyStream = DestroyMirrorStream;
    return mirror;
  }();
  return &backend;
}

QPKV_EXPORT const qpkv::MirrorCounts* qpkv_mirror_counts() { return &qpkv::The().counts; }
