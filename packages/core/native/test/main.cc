#include "test/harness.h"

int main(int argc, char** argv) { return qpkv::RunTests({argv + 1, argv + argc}); }
