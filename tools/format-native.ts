// clang-format over the C++ sources, from the pinned npm package, so that everybody gets the same result. `--check` only looks.
import { spawnSync } from 'node:child_process'
import { filesUnder, conclude, root } from './workspace.ts'

const check = process.argv.includes('--check')
const files = ['packages/core/native', 'packages/cuda/native'].flatMap((folder) =>
  filesUnder(folder, (path) => /\.(cc|cu|h)$/.test(path)),
)
const result = spawnSync(
  'pnpm',
  ['exec', 'clang-format', '--style=file', ...(check ? ['--dry-run', '-Werror'] : ['-i']), ...files],
  {
    cwd: root,
    encoding: 'utf8',
  },
)
if (result.error) {
  console.error(
    `Could not start pnpm: ${result.error.message}. Type npm run check, or put .tools/node_modules/.bin on your PATH.`,
  )
  process.exit(1)
}
const lines = result.stderr.split('\n').filter((line) => line.includes('error:'))
conclude(
  'native format',
  result.status === 0 ? [] : lines.length > 0 ? lines.slice(0, 20) : [result.stderr.slice(0, 2000)],
)
