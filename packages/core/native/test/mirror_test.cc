// The mirror backend keeps its promises: closed pages, refused pointers, recorded replays.
#include "mirror/mirror.h"

#include <dlfcn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <functional>

#include "abi_hash.h"
#include "engine/buffer.h"
#include "test/harness.h"
#include "test/tiny_model.h"

namespace qpkv {
namespace {

Table MirrorTable() { return BestTable(OpenBackend(QPKV_MIRROR_LIBRARY), ""); }

const MirrorCounts& Counts() {
  void* library = dlopen(QPKV_MIRROR_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  using Entry = const MirrorCounts* (*)();
  return *reinterpret_cast<Entry>(dlsym(library, "qpkv_mirror_counts"))();
}

// Whether a child process that does this is ended by a signal (or by a sanitizer instead of it).
bool Dies(const std::function<void()>& deed) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    deed();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

QPKV_TEST(MirrorIsGuardedByItsAbi) {
  void* library = dlopen(QPKV_MIRROR_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  const auto entry = reinterpret_cast<BackendEntry>(dlsym(library, kBackendSymbol));
  Expect("ours", entry(kAbi)->why_not == nullptr && entry(kAbi)->table_count == 1);
  Expect("another's", entry(kAbi + 1)->why_not != nullptr && entry(kAbi + 1)->table_count == 0);
}

QPKV_TEST(MirrorDiesOfHostAccess) {
  OpenDevice device(MirrorTable(), 0, 1);
  const std::vector<float> ones(1000, 1.0f);
  std::vector<float> back(1000);
  const Buffer buffer(device, sizeof(float) * 1000);
  device.ops.Upload(device.stream, buffer.data(), OnHost<const void>(ones.data()), 4000);
  device.ops.Download(device.stream, OnHost<void>(back.data()), buffer.data(), 4000);
  Expect("by ops it can be read", back == ones);
  Expect("a planted read dies", Dies([&] {
           volatile float x = buffer.floats()[3];
           static_cast<void>(x);
         }));
  Expect("a planted write dies", Dies([&] { buffer.floats()[3] = 1; }));
  Expect("nothing else does", !Dies([&] { device.ops.Zero(device.stream, buffer.data(), 4000); }));
}

QPKV_TEST(MirrorRefusesForeignPointers) {
  OpenDevice device(MirrorTable(), 0, 1);
  const Buffer x(device, 400), notes(device, 4);
  const float host[100] = {};
  Expect("its own", !Dies([&] {
           device.ops.NoteNan(device.stream,
                              {x.floats(), 1, 100, 0, static_cast<int32_t*>(notes.data())});
         }));
  Expect(
      "the host's", Dies([&] {
        device.ops.NoteNan(device.stream, {host, 1, 100, 0, static_cast<int32_t*>(notes.data())});
      }));
  Expect("beyond its end", Dies([&] {
           device.ops.NoteNan(device.stream,
                              {x.floats(), 1, 101, 0, static_cast<int32_t*>(notes.data())});
         }));
}

// Pointers that lie on the device themselves are looked at too.
QPKV_TEST(MirrorRefusesForeignPointersOnTheDevice) {
  OpenDevice device(MirrorTable(), 0, 1);
  const int vocab = 50;
  const std::vector<float> logits(vocab, 1.0f);
  const Buffer own(device, sizeof(float) * vocab), rows(device, sizeof(SampleRow)),
      out(device, sizeof(SampledToken));
  const auto upload = [&](const Buffer& to, const void* from, size_t bytes) {
    device.ops.Upload(device.stream, to.data(), OnHost(from), bytes);
  };
  upload(own, logits.data(), sizeof(float) * vocab);
  const auto sample = [&](const float* from) {
    SampleRow row{};
    row.logits = from;
    upload(rows, &row, sizeof row);
    device.ops.Sample(device.stream, {static_cast<const SampleRow*>(rows.data()), 1, vocab,
                                      static_cast<SampledToken*>(out.data())});
  };
  Expect("its own", !Dies([&] { sample(own.floats()); }));
  Expect("the host's", Dies([&] { sample(logits.data()); }));
}

// What the body says the second time is not listened to: what it said the first time is run.
QPKV_TEST(MirrorReplaysWhatItRecorded) {
  OpenDevice device(MirrorTable(), 0, 2);
  const Buffer ids(device, 4), counts(device, 40);
  device.ops.Zero(device.stream, counts.data(), 40);
  struct Body {
    OpenDevice& device;
    const Buffer &ids, &counts;
    int calls;
  } body{device, ids, counts, 0};
  for (int32_t token : {3, 5, 3}) {
    device.ops.Upload(device.stream, ids.data(), OnHost<const void>(&token), 4);
    device.ops.Replay(device.stream, 42, OnHost<void>(&body), [](void* context) {
      Body& b = *static_cast<Body*>(context);
      ++b.calls;
      b.device.ops.CountTokens(b.device.stream, {static_cast<const int32_t*>(b.ids.data()), 1,
                                                 static_cast<int32_t*>(b.counts.data())});
    });
  }
  std::vector<int32_t> got(10);
  device.ops.Download(device.stream, OnHost<void>(got.data()), counts.data(), 40);
  Expect("the body ran once", body.calls == 1);
  Expect("each time with what lay on the device", got[3] == 2 && got[5] == 1);
  Expect("host memory has no place in it", Dies([&] {
           device.ops.Replay(device.stream, 43, OnHost<void>(&body), [](void* context) {
             Body& b = *static_cast<Body*>(context);
             const int32_t id = 1;
             b.device.ops.Upload(b.device.stream, const_cast<void*>(b.ids.data()),
                                 OnHost<const void>(&id), 4);
           });
         }));
  Expect("nor in the arguments of any op", Dies([&] {
           device.ops.Replay(device.stream, 44, OnHost<void>(&body), [](void* context) {
             Body& b = *static_cast<Body*>(context);
             const float x = 1;
             b.device.ops.LoadFloats(b.device.stream,
                                     {OnHost<const void>(&x), Element::kF32, 1, b.counts.floats()});
           });
         }));
}

// A model on the mirror: the same tokens as without, from recorded ops with one read-back each.
QPKV_TEST(MirrorRunsAModel) {
  const Sampling greedy{};
  std::vector<std::vector<int32_t>> tokens;
  for (const Table& table : {AvailableTables().front(), MirrorTable()}) {
    const auto model = TinyModel(table, 2);
    const auto context =
        PrefillAll(model, TinyPrompt(600, model->description.vocab), {FullPlan(*model)})[0];
    std::vector<int32_t> ids = {context->Sample(greedy).id};
    for (int i = 0; i < 4; ++i)
      ids.push_back(context->Append(&ids.back(), 1, nullptr, &greedy)->id);
    const MirrorCounts before = Counts();
    for (int i = 0; i < 40; ++i)
      ids.push_back(context->Append(&ids.back(), 1, nullptr, &greedy)->id);
    const uint64_t expected = tokens.empty() ? 0 : 40;
    Expect("a read-back each", Counts().downloads - before.downloads == expected);
    // Where a buffer of the layer loop has moved the ops are recorded anew: seldom.
    const uint64_t replayed = Counts().replays - before.replays;
    const uint64_t recorded = Counts().recordings - before.recordings;
    Expect("each is recorded or replayed", replayed + recorded == expected);
    Expect(Label("%d of 40 replayed", static_cast<int>(replayed)), replayed + 1 >= expected);
    tokens.push_back(ids);
  }
  Expect("tokens", tokens[0] == tokens[1]);
}

}  // namespace
}  // namespace qpkv
