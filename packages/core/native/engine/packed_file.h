// A model's packed matrices as a file of the cache folder, mapped: they are packed straight into
// it, and the next load, of this process or another, maps what stands there.
//
// Such a file is written beside its path, renamed when it is whole and never modified after; a
// model's own files are read, not mapped. Nothing in it is trusted before its checksums hold.
//
//   header    magic, sizes, checksums, then `info` (JSON); padded to kPackedAlign
//   matrices  in the order in which a model packs them, each padded to 64 bytes
//   table     a CRC-32C per chunk of the matrices
//
// Bytes hold numbers as the host does; another byte order has another magic.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace qpkv {

struct PackedLocation {
  std::string path;
  std::string info;  // what the file is of; another text is another file
  size_t bytes = 0;  // of all matrices, each padded to 64
};

class PackedFile {
 public:
  // What stands there, checked whole. Null where it is missing or not sound; `why` is empty
  // where nothing is there.
  static std::shared_ptr<PackedFile> Open(const PackedLocation& location, int threads,
                                          std::string* why);
  // A new one; its room on the disk is taken at once. Null where it cannot be had.
  static std::shared_ptr<PackedFile> Create(const PackedLocation& location, std::string* why);
  ~PackedFile();  // a new one that is not finished is removed
  PackedFile(const PackedFile&) = delete;
  PackedFile& operator=(const PackedFile&) = delete;

  bool whole() const { return whole_; }
  // The next matrix: of an opened file its bytes, of a new one where to pack it.
  void* Next(size_t bytes);
  // All matrices of a new file are packed: it gets its name and is read-only from here on. False,
  // with the reason, where that failed; the matrices stay usable.
  bool Finish(int threads, std::string* why);

 private:
  PackedFile() = default;
  bool Map(const PackedLocation& location, bool writable, std::string* why);
  uint8_t* matrices() const { return static_cast<uint8_t*>(map_) + header_bytes_; }

  PackedLocation location_;
  std::string temporary_;  // until it has its name
  int file_ = -1;
  void* map_ = nullptr;
  size_t map_bytes_ = 0, header_bytes_ = 0, used_ = 0;
  bool whole_ = false;
};

}  // namespace qpkv
