// Builds and runs the native tests. `--sanitize`: address and undefined-behavior sanitizers; `--sanitize-thread`: the thread
// sanitizer. Other arguments go to the test program (parts of tests' names).
import { join } from 'node:path'
import { buildNativeTests, run } from './native-build.ts'

const variants = {
  '--sanitize': {
    folder: 'build-test-asan',
    options: ['-DQPKV_SANITIZE=ON', '-DCMAKE_BUILD_TYPE=RelWithDebInfo'],
  },
  '--sanitize-thread': {
    folder: 'build-test-tsan',
    options: ['-DQPKV_SANITIZE_THREAD=ON', '-DCMAKE_BUILD_TYPE=RelWithDebInfo'],
  },
}
const given = process.argv.slice(2)
const variant = Object.entries(variants).find(([flag]) => given.includes(flag))?.[1]
const filters = given.filter((argument) => !(argument in variants))
run(join(buildNativeTests(variant?.folder, variant?.options), 'qpkv_native_test'), filters)
