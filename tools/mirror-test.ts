// The mirror is a backend whose memory the host cannot look at (packages/core/native/mirror). Over it run the op suite, the
// engine's native tests, the tests of @qpkv/core that run models, and the demo, whose replies must be the CPU's.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildNativeTests, run } from './native-build.ts'
import { root } from './workspace.ts'

const core = 'packages/core'
const withModels = [
  'native',
  'weights',
  'compressed-contexts.test.ts',
  'generate.test.ts',
  'prefill.test.ts',
  'look-inside.test.ts',
  'architectures.test.ts',
]

const build = buildNativeTests()
run(join(build, 'qpkv_native_test'), [], { QPKV_TEST_BACKEND: join(build, 'qpkv_mirror.so') })

const onMirror = { QPKV_CORE_BACKEND: join(root, core, 'build', 'Release', 'qpkv_mirror.so') }
const tests = withModels.map((path) => `${core}/test/${path}`)
run('pnpm', ['exec', 'vitest', 'run', '--project', '@qpkv/core', ...tests], onMirror)

const folder = mkdtempSync(join(tmpdir(), 'qpkv-mirror-'))
const qpkv = [join(root, 'scripts', 'qpkv.mjs')]
try {
  run(process.execPath, [...qpkv, 'demo', '--out', folder])
  for (const part of ['query-aware', 'query-agnostic']) repeat(join(folder, `${part}.jsonl`))
} finally {
  rmSync(folder, { recursive: true })
}

/** Asks again what the file holds, on the mirror. */
function repeat(file: string): void {
  const { stdout, status } = spawnSync(process.execPath, [...qpkv, 'run', file], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, ...onMirror },
  })
  console.log(stdout)
  const [, equal, all] = /(\d+) of (\d+) answers equal/.exec(stdout) ?? []
  if (status === 0 && equal !== undefined && equal === all) return
  console.error('The mirror gave other replies than the CPU.')
  process.exit(1)
}
