// The command line, built first where sources are newer than the build; nothing but its own words may come to stdout.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const main = fileURLToPath(new URL('../packages/cli/dist/main.js', import.meta.url))

/** Runs a command to its end; ends this process where it failed. */
function run(command, args, options) {
  const { status } = spawnSync(command, args, options)
  if (status !== 0) process.exit(status ?? 1)
}

/** Whether a file below a package's `src` has changed since the command was built. */
function stale() {
  const built = statSync(main).mtimeMs
  const packages = ['packages', 'packages/pruners', 'packages/quantizers'].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(root, parent, name, 'src')),
  )
  return packages
    .filter(existsSync)
    .some((source) =>
      readdirSync(source, { recursive: true, withFileTypes: true }).some(
        (entry) => entry.isFile() && statSync(join(entry.parentPath, entry.name)).mtimeMs > built,
      ),
    )
}

if (!existsSync(main) || stale())
  run('npm', ['run', '-s', 'build:cli'], { cwd: root, stdio: ['ignore', 2, 2] })
run(process.execPath, [main, ...process.argv.slice(2)], {
  cwd: process.env.INIT_CWD ?? process.cwd(),
  stdio: 'inherit',
})
