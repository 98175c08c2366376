// Device memory, pieces of it, and what is kept of a Replay: of every backend, with nothing staged.
#include <algorithm>
#include <numeric>

#include "engine/device.h"
#include "test/harness.h"

namespace qpkv {
namespace {

// Device memory with these bytes, given back at the end.
struct OnDevice {
  OpenDevice& device;
  size_t bytes;
  uint8_t* data;

  OnDevice(OpenDevice& on, const std::vector<uint8_t>& start) : device(on), bytes(start.size()) {
    data = static_cast<uint8_t*>(device.ops.Allocate(device.stream, bytes));
    device.ops.Upload(device.stream, data, OnHost<const void>(start.data()), bytes);
  }
  ~OnDevice() { device.ops.Release(device.stream, data, bytes); }
  std::vector<uint8_t> Read() const {
    std::vector<uint8_t> out(bytes);
    device.ops.Download(device.stream, OnHost<void>(out.data()), data, bytes);
    return out;
  }
};

std::vector<uint8_t> Counted(size_t bytes) {
  std::vector<uint8_t> x(bytes);
  std::iota(x.begin(), x.end(), uint8_t{1});
  return x;
}

QPKV_TEST(DeviceMemory) {
  for (const Table& table : EngineTables()) {
    OpenDevice device(table, 0, 2);
    for (size_t bytes : {size_t{1}, size_t{7}, size_t{256}, size_t{4097}, size_t{1} << 20}) {
      const std::string label = Label("%s %zu bytes", table.ops->name, bytes);
      std::vector<uint8_t> want = Counted(bytes);
      const OnDevice a(device, want), b(device, std::vector<uint8_t>(bytes, 9));
      Expect(label + " aligned", reinterpret_cast<uintptr_t>(a.data) % 64 == 0);
      Expect(label + " come back", a.Read() == want);
      device.ops.Copy(device.stream, b.data, a.data, bytes);
      Expect(label + " copied", b.Read() == want);
      device.ops.Zero(device.stream, b.data + bytes / 2, bytes - bytes / 2);
      std::fill(want.begin() + static_cast<ptrdiff_t>(bytes / 2), want.end(), uint8_t{0});
      Expect(label + " zeroed", b.Read() == want);
      Expect(label + " no trouble", device.ops.Check(device.stream).trouble == Trouble::kNone);
    }
  }
}

QPKV_TEST(UploadPieces) {
  for (const Table& table : EngineTables()) {
    OpenDevice device(table, 0, 2);
    for (int count : {1, 3, 70}) {
      const std::vector<uint8_t> source = Counted(4 * 97 * static_cast<size_t>(count));
      std::vector<uint8_t> want(source.size() + 64, 200);
      const OnDevice to(device, want);
      std::vector<UploadPiece> pieces;
      // Backwards in the source, of every size up to some hundred bytes, with gaps.
      for (uint32_t i = 0; i < static_cast<uint32_t>(count); ++i) {
        const uint32_t at = 4 * 97 * i, offset = 4 * 97 * (static_cast<uint32_t>(count) - 1 - i);
        const uint32_t bytes = 4 * (i * 31 % 90 + 1);
        pieces.push_back({to.data + at + 4, offset, bytes});
        std::copy_n(source.begin() + offset, bytes, want.begin() + at + 4);
      }
      device.ops.UploadPieces(device.stream, {OnHost<const UploadPiece>(pieces.data()), count,
                                              OnHost<const uint8_t>(source.data()), source.size()});
      Expect(Label("%s %d pieces", table.ops->name, count), to.Read() == want);
    }
  }
}

struct ReplayBody {
  OpenDevice* device;
  uint8_t *to, *from;
  size_t bytes;
};

// Kept under its key, the body's ops run on what stands in device memory each time.
QPKV_TEST(ReplayRunsAgain) {
  for (const Table& table : EngineTables()) {
    OpenDevice device(table, 0, 2);
    const size_t bytes = 512;
    const OnDevice from(device, Counted(bytes)), to(device, std::vector<uint8_t>(bytes, 9));
    ReplayBody body{&device, to.data, from.data, bytes};
    for (int turn = 0; turn < 5; ++turn) {
      std::vector<uint8_t> want(bytes, static_cast<uint8_t>(30 + turn));
      device.ops.Upload(device.stream, from.data, OnHost<const void>(want.data()), bytes);
      for (uint64_t key : {0, 1})
        device.ops.Replay(device.stream, key, OnHost<void>(&body), [](void* context) {
          const ReplayBody& b = *static_cast<ReplayBody*>(context);
          b.device->ops.Copy(b.device->stream, b.to, b.from, b.bytes);
          b.device->ops.Zero(b.device->stream, b.to, b.bytes / 4);
        });
      std::fill_n(want.begin(), bytes / 4, uint8_t{0});
      Expect(Label("%s turn %d", table.ops->name, turn), to.Read() == want);
    }
    Expect(Label("%s no trouble", table.ops->name),
           device.ops.Check(device.stream).trouble == Trouble::kNone);
  }
}

}  // namespace
}  // namespace qpkv
