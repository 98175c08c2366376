#include "test/harness.h"

int main(int argc, char** argv) { return qpkv::RunTests(argc > 1 ? argv[1] : ""); }
