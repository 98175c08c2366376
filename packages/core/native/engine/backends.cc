// See backends.h.
#include "engine/backends.h"

#include <map>
#include <mutex>

#include "abi_hash.h"
#include "engine/error.h"
#include "ops/cpu_backend.h"

#ifdef _WIN32
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace qpkv {
namespace {

struct Opened {
  std::mutex mutex;
  std::map<std::string, const Backend*> libraries;  // by path
};
Opened& AllOpened() {
  static Opened opened;
  return opened;
}

[[noreturn]] void Refuse(const std::string& path, const std::string& why) {
  throw Error("KV_UNSUPPORTED", "The backend '" + path + "' cannot be used: " + why + ".");
}

BackendEntry LoadEntry(const std::string& path) {
#ifdef _WIN32
  HMODULE library = LoadLibraryA(path.c_str());
  if (library == nullptr) Refuse(path, "error " + std::to_string(GetLastError()));
  auto entry = reinterpret_cast<BackendEntry>(GetProcAddress(library, kBackendSymbol));
#else
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) Refuse(path, dlerror());
  auto entry = reinterpret_cast<BackendEntry>(dlsym(library, kBackendSymbol));
#endif
  if (entry == nullptr) Refuse(path, std::string("it has no symbol ") + kBackendSymbol);
  return entry;
}

}  // namespace

const Backend& OpenBackend(const std::string& path) {
  Opened& opened = AllOpened();
  std::lock_guard<std::mutex> lock(opened.mutex);
  const auto found = opened.libraries.find(path);
  if (found != opened.libraries.end()) return *found->second;
  const Backend* backend = LoadEntry(path)(kAbi);
  if (backend == nullptr) Refuse(path, "it holds nothing");
  if (backend->abi != kAbi)
    Refuse(path,
           "it was built for another version of qpkv; install the same version of both packages");
  if (backend->why_not != nullptr) Refuse(path, backend->why_not);
  opened.libraries[path] = backend;
  return *backend;
}

std::vector<Table> AvailableTables() {
  const Backend& cpu = *CpuBackend(kAbi);
  std::vector<Table> tables;
  for (int i = 0; i < cpu.table_count; ++i)
    tables.push_back({&cpu, cpu.tables[i], cpu.statistics[i]});
  return tables;
}

Table BestTable(const Backend& backend, const std::string& name) {
  std::string names;
  for (int i = 0; i < backend.table_count; ++i) {
    const Table table{&backend, backend.tables[i], backend.statistics[i]};
    if (name.empty() || name == table.ops->name) return table;
    names += (names.empty() ? "" : ", ") + std::string(table.ops->name);
  }
  throw Error("KV_UNSUPPORTED", "The op table '" + name + "' is unknown or cannot run here; '" +
                                    backend.name + "' offers: " + names + ".");
}

Table FindTable(const std::string& name) { return BestTable(*CpuBackend(kAbi), name); }

}  // namespace qpkv
