// A small test harness: tests register themselves, expectations count, main prints 'N passed, N
// failed'.
//
//   QPKV_TEST(RmsNorm) {
//     for (const Ops* ops : Tables()) { ...; ExpectNear(label, got, want, n, bound); }
//   }
//
// A test passes if none of its expectations failed.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "base/stream.h"
#include "engine/device.h"
#include "ops/cpu_backend.h"

namespace qpkv {

struct TestEntry {
  TestEntry(const char* name, void (*run)());
};
#define QPKV_TEST(NAME)                                   \
  static void Test##NAME();                               \
  static const TestEntry kEntry##NAME(#NAME, Test##NAME); \
  static void Test##NAME()

// Runs the tests whose name contains one of the filters (or is it, for '=NAME'), or all; the exit
// status.
int RunTests(const std::vector<std::string>& filters);

// Every table of this build and CPU but the reference, or that of the backend that
// QPKV_TEST_BACKEND names, whose ops are given copies on its device (staged_ops.h); the reference.
const std::vector<const Ops*>& Tables();
const Ops& Reference();
const StatisticList& StatisticsFor(const Ops& ops);
// The tables that engines of tests run on, best first: the same, with nothing staged, and the
// reference.
const std::vector<Table>& EngineTables();

// Whether this case is to be run: always, or the first and one in QPKV_TEST_EVERY after it, where a
// backend is much slower than the tests were made for.
bool Sampled();

// Pools with 1, 2 and 3 threads, or the backend's streams for as many, for results that must not
// depend on it. TestStream() has 2.
const std::vector<Stream*>& Streams();
Stream& TestStream();
// The best table's, for what holds memory.
OpenDevice& TestDevice();

// printf into a string, for labels.
std::string Label(const char* format, ...) __attribute__((format(printf, 1, 2)));

void Expect(const std::string& label, bool condition);
// Largest |got - want| <= bound * max(1, largest |want|) wherever both are finite; NaN fails.
void ExpectNear(const std::string& label, const float* got, const float* want, size_t count,
                double bound);
// sqrt(sum (got - want)^2 / sum want^2) <= bound.
void ExpectClose(const std::string& label, const float* got, const float* want, size_t count,
                 double bound);
void ExpectEqualBytes(const std::string& label, const void* got, const void* want, size_t bytes);

// Reproducible numbers.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2 + 1) {}
  uint32_t Next();
  int Below(int n) { return static_cast<int>(Next() % static_cast<uint32_t>(n)); }
  float Uniform();  // [0, 1)
  float Normal();
  std::vector<float> Normals(size_t count, float deviation = 1.0f);

 private:
  uint64_t state_;
};

std::vector<uint16_t> ToBf16(const std::vector<float>& x);
std::vector<uint16_t> ToF16(const std::vector<float>& x);

}  // namespace qpkv
