#include "test/harness.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "abi_hash.h"
#include "base/bf16.h"
#include "base/f16.h"
#include "ops/cpu_backend.h"
#include "test/staged_ops.h"

namespace qpkv {
namespace {

struct Registered {
  const char* name;
  void (*run)();
};
std::vector<Registered>& Registry() {
  static std::vector<Registered> tests;
  return tests;
}
int failures = 0;      // of the running test
int expectations = 0;  // of the running test
int cases = 0;         // that it has asked about: see Sampled

void Fail(const std::string& message) {
  // For whoever only wants to know whether something fails (tools/cuda-mutate.ts).
  static const bool stop = std::getenv("QPKV_TEST_STOP") != nullptr;
  if (++failures <= 10) std::printf("    %s\n", message.c_str());
  if (stop) std::_Exit(1);
}

}  // namespace

TestEntry::TestEntry(const char* name, void (*run)()) { Registry().push_back({name, run}); }

int RunTests(const std::vector<std::string>& filters) {
  int passed = 0, failed = 0;
  for (const std::string& filter : filters) {
    bool there = filter[0] != '=';
    for (const Registered& test : Registry())
      there |= filter.compare(1, std::string::npos, test.name) == 0;
    if (there) continue;
    std::printf("There is no test %s\n", filter.c_str() + 1);
    return 1;
  }
  for (const Registered& test : Registry()) {
    bool wanted = filters.empty();
    for (const std::string& filter : filters)
      wanted |= filter[0] == '=' ? filter.compare(1, std::string::npos, test.name) == 0
                                 : std::strstr(test.name, filter.c_str()) != nullptr;
    if (!wanted) continue;
    failures = expectations = cases = 0;
    test.run();
    if (expectations == 0) Fail("checks nothing");
    ++(failures == 0 ? passed : failed);
    std::printf("%s %s (%d checks)\n", failures == 0 ? "ok  " : "FAIL", test.name, expectations);
    std::fflush(stdout);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed == 0 && passed > 0 ? 0 : 1;
}

// The backend that QPKV_TEST_BACKEND names, or null.
static const Backend* OtherBackend() {
  static const char* const path = std::getenv("QPKV_TEST_BACKEND");
  static const Backend* const backend = path == nullptr ? nullptr : &OpenBackend(path);
  return backend;
}

// Its best table as the op suite takes it.
static const StagedOps& OtherOps() {
  static const StagedOps staged(BestTable(*OtherBackend(), ""));
  return staged;
}

const std::vector<const Ops*>& Tables() {
  static const std::vector<const Ops*> tables = [] {
    if (OtherBackend() != nullptr) return std::vector<const Ops*>{&OtherOps().ops()};
    int count = 0;
    const Ops* const* all = AvailableOps(&count);
    std::vector<const Ops*> list;
    for (int i = 0; i < count; ++i)
      if (std::strcmp(all[i]->name, "reference") != 0) list.push_back(all[i]);
    return list;
  }();
  return tables;
}

const std::vector<Table>& EngineTables() {
  static const std::vector<Table> tables =
      OtherBackend() ? std::vector<Table>{BestTable(*OtherBackend(), "")} : AvailableTables();
  return tables;
}

bool Sampled() {
  static const char* const text = std::getenv("QPKV_TEST_EVERY");
  static const int every = text == nullptr ? 1 : std::atoi(text);
  return every <= 1 || cases++ % every == 0;
}

const Ops& Reference() { return *FindOps("reference"); }

const StatisticList& StatisticsFor(const Ops& ops) {
  return OtherBackend() != nullptr && &ops == &OtherOps().ops() ? OtherOps().statistics()
                                                                : StatisticsOf(ops);
}

const std::vector<Stream*>& Streams() {
  static const std::vector<Stream*> streams = [] {
    const Backend& backend = OtherBackend() ? *OtherBackend() : *CpuBackend(kAbi);
    std::vector<Stream*> all;
    for (int threads : {1, 2, 3}) all.push_back(backend.CreateStream(0, threads));
    return all;
  }();
  return streams;
}
Stream& TestStream() { return *Streams()[1]; }

OpenDevice& TestDevice() {
  static OpenDevice device(EngineTables().front(), 0, 2);
  return device;
}

std::string Label(const char* format, ...) {
  char text[256];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

void Expect(const std::string& label, bool condition) {
  ++expectations;
  if (!condition) Fail(label + ": false");
}

void ExpectNear(const std::string& label, const float* got, const float* want, size_t count,
                double bound) {
  ++expectations;
  double largest = 1, worst = 0;
  size_t at = 0;
  for (size_t i = 0; i < count; ++i) {
    largest = std::fmax(largest, std::fabs(want[i]));
    double error = std::fabs(static_cast<double>(got[i]) - want[i]);
    if (std::isnan(error)) error = INFINITY;
    if (error > worst) worst = error, at = i;
  }
  if (worst > bound * largest)
    Fail(label + Label(": error %.3g > %.3g at %zu (got %g, want %g)", worst, bound * largest, at,
                       got[at], want[at]));
}

void ExpectClose(const std::string& label, const float* got, const float* want, size_t count,
                 double bound) {
  ++expectations;
  double error = 0, norm = 0;
  for (size_t i = 0; i < count; ++i) {
    const double d = static_cast<double>(got[i]) - want[i];
    error += d * d;
    norm += static_cast<double>(want[i]) * want[i];
  }
  const double relative = std::sqrt(error / (norm > 0 ? norm : 1));
  if (!(relative <= bound)) Fail(label + Label(": relative error %.3g > %.3g", relative, bound));
}

void ExpectEqualBytes(const std::string& label, const void* got, const void* want, size_t bytes) {
  ++expectations;
  const unsigned char *a = static_cast<const unsigned char*>(got),
                      *b = static_cast<const unsigned char*>(want);
  for (size_t i = 0; i < bytes; ++i)
    if (a[i] != b[i]) return Fail(label + Label(": byte %zu of %zu differs", i, bytes));
}

uint32_t Random::Next() {
  // xorshift64*
  state_ ^= state_ >> 12;
  state_ ^= state_ << 25;
  state_ ^= state_ >> 27;
  return static_cast<uint32_t>((state_ * 0x2545f4914f6cdd1dull) >> 32);
}
float Random::Uniform() { return static_cast<float>(Next() >> 8) / 16777216.0f; }
float Random::Normal() {
  const float a = Uniform() + 1e-9f, b = Uniform();
  return std::sqrt(-2.0f * std::log(a)) * std::cos(6.2831853f * b);
}
std::vector<float> Random::Normals(size_t count, float deviation) {
  std::vector<float> x(count);
  for (float& v : x) v = Normal() * deviation;
  return x;
}

std::vector<uint16_t> ToBf16(const std::vector<float>& x) {
  std::vector<uint16_t> bits;
  for (float v : x) bits.push_back(FloatToBf16(v));
  return bits;
}
std::vector<uint16_t> ToF16(const std::vector<float>& x) {
  std::vector<uint16_t> bits;
  for (float v : x) bits.push_back(FloatToF16(v));
  return bits;
}

}  // namespace qpkv
