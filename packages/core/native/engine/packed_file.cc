// See packed_file.h.
#include "engine/packed_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <future>
#include <vector>

#include "base/crc32c.h"
#include "engine/error.h"
#include "engine/reserve_file.h"
#include "ops/tile_layout.h"

namespace qpkv {
namespace {

constexpr size_t kPackedAlign = 65536;  // whole pages on every system
constexpr size_t kMatrixAlign = 64;
constexpr size_t kChunk = size_t{256} << 10;     // bytes per checksum
constexpr uint64_t kMagic = 0x316b6361704b5051;  // "QPKpack1"

struct Header {
  uint64_t magic;
  uint32_t header_crc;  // of what follows it, info included
  uint32_t info_bytes;
  uint64_t matrix_bytes;
  uint32_t table_crc;
  uint32_t reserved;
};

size_t HeaderBytes(const PackedLocation& location) {
  return AlignUp(sizeof(Header) + location.info.size(), kPackedAlign);
}
size_t Chunks(size_t bytes) { return DivideUp(bytes, kChunk); }
size_t FileBytes(const PackedLocation& location) {
  return HeaderBytes(location) + AlignUp(location.bytes, kMatrixAlign) +
         Chunks(location.bytes) * sizeof(uint32_t);
}

std::string Reason() { return std::strerror(errno); }

// A checksum per chunk, on several threads.
std::vector<uint32_t> ChecksumsOf(const uint8_t* data, size_t bytes, int threads) {
  std::vector<uint32_t> sums(Chunks(bytes));
  const size_t share = DivideUp(sums.size(), static_cast<size_t>(std::max(1, threads)));
  std::vector<std::future<void>> parts;
  for (size_t first = 0; first < sums.size(); first += share)
    parts.push_back(std::async(std::launch::async, [&, first] {
      const size_t begin = first * kChunk, end = std::min(bytes, (first + share) * kChunk);
      Crc32cChunks(data + begin, end - begin, kChunk, sums.data() + first);
    }));
  for (auto& part : parts) part.get();
  return sums;
}

Header HeaderOf(const PackedLocation& location, const std::vector<uint32_t>& sums) {
  Header header{};
  header.magic = kMagic;
  header.info_bytes = static_cast<uint32_t>(location.info.size());
  header.matrix_bytes = location.bytes;
  header.table_crc = Crc32c(sums.data(), sums.size() * sizeof(uint32_t));
  constexpr size_t kBefore = offsetof(Header, info_bytes);
  std::vector<uint8_t> rest(sizeof(Header) - kBefore + location.info.size());
  std::memcpy(rest.data(), reinterpret_cast<const uint8_t*>(&header) + kBefore,
              sizeof(Header) - kBefore);
  std::memcpy(rest.data() + sizeof(Header) - kBefore, location.info.data(), location.info.size());
  header.header_crc = Crc32c(rest.data(), rest.size());
  return header;
}

}  // namespace

bool PackedFile::Map(const PackedLocation& location, bool writable, std::string* why) {
  location_ = location;
  map_bytes_ = FileBytes(location);
  header_bytes_ = HeaderBytes(location);
  const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
  map_ = mmap(nullptr, map_bytes_, protection, MAP_SHARED, file_, 0);
  if (map_ != MAP_FAILED) return true;
  map_ = nullptr;
  *why = "it cannot be mapped: " + Reason();
  return false;
}

std::shared_ptr<PackedFile> PackedFile::Open(const PackedLocation& location, int threads,
                                             std::string* why) {
  std::shared_ptr<PackedFile> file(new PackedFile);
  file->file_ = open(location.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file->file_ < 0) {
    if (errno != ENOENT) *why = "it cannot be opened: " + Reason();
    return nullptr;
  }
  struct stat facts;
  if (fstat(file->file_, &facts) != 0 || !S_ISREG(facts.st_mode) ||
      static_cast<uint64_t>(facts.st_size) != FileBytes(location)) {
    *why = "it has another size";
    return nullptr;
  }
  if (!file->Map(location, false, why)) return nullptr;
#if defined(__linux__)
  madvise(file->map_, file->map_bytes_, MADV_WILLNEED);
#endif
  const std::vector<uint32_t> sums = ChecksumsOf(file->matrices(), location.bytes, threads);
  const Header want = HeaderOf(location, sums);
  const uint8_t* table = file->matrices() + AlignUp(location.bytes, kMatrixAlign);
  if (std::memcmp(file->map_, &want, sizeof want) != 0 ||
      std::memcmp(static_cast<const uint8_t*>(file->map_) + sizeof want, location.info.data(),
                  location.info.size()) != 0 ||
      std::memcmp(table, sums.data(), sums.size() * sizeof(uint32_t)) != 0) {
    *why = "it is damaged or of another model";
    return nullptr;
  }
  file->whole_ = true;
  return file;
}

std::shared_ptr<PackedFile> PackedFile::Create(const PackedLocation& location, std::string* why) {
  std::shared_ptr<PackedFile> file(new PackedFile);
  file->temporary_ = location.path + "." + std::to_string(getpid()) + ".XXXXXX";
  file->file_ = mkstemp(file->temporary_.data());
  if (file->file_ < 0) {
    file->temporary_.clear();
    *why = "it cannot be written: " + Reason();
    return nullptr;
  }
  fcntl(file->file_, F_SETFD, FD_CLOEXEC);
  // Room first: a page that has none on the disk would end the process when it is written.
  if (!ReserveFile(file->file_, FileBytes(location))) {
    *why = "its " + std::to_string(FileBytes(location)) + " bytes cannot be reserved: " + Reason();
    return nullptr;
  }
  if (!file->Map(location, true, why)) return nullptr;
  return file;
}

PackedFile::~PackedFile() {
  if (map_ != nullptr) munmap(map_, map_bytes_);
  if (file_ >= 0) close(file_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

void* PackedFile::Next(size_t bytes) {
  const size_t padded = AlignUp(bytes, kMatrixAlign);
  if (used_ + padded > location_.bytes)
    throw Error("KV_ADDON", "The packed weights take more than the " +
                                std::to_string(location_.bytes) + " bytes that were announced.");
  void* at = matrices() + used_;
  used_ += padded;
  return at;
}

bool PackedFile::Finish(int threads, std::string* why) {
  if (used_ != location_.bytes) {
    *why = "its matrices take " + std::to_string(used_) + " bytes, not the " +
           std::to_string(location_.bytes) + " that were announced";
    return false;
  }
  const std::vector<uint32_t> sums = ChecksumsOf(matrices(), location_.bytes, threads);
  const Header header = HeaderOf(location_, sums);
  auto* start = static_cast<uint8_t*>(map_);
  std::memcpy(matrices() + AlignUp(location_.bytes, kMatrixAlign), sums.data(),
              sums.size() * sizeof(uint32_t));
  std::memcpy(start + sizeof header, location_.info.data(), location_.info.size());
  std::memcpy(start, &header, sizeof header);
  mprotect(map_, map_bytes_, PROT_READ);
  if (std::rename(temporary_.c_str(), location_.path.c_str()) != 0) {
    *why = "it cannot be given its name: " + Reason();
    return false;
  }
  temporary_.clear();
  whole_ = true;
  return true;
}

}  // namespace qpkv
