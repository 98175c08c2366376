// The command line as last built, or built first; nothing but its own words may come to stdout.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const main = fileURLToPath(new URL('../packages/cli/dist/main.js', import.meta.url))

/** Runs a command to its end; ends this process where it failed. */
function run(command, args, options) {
  const { status } = spawnSync(command, args, options)
  if (status !== 0) process.exit(status ?? 1)
}

if (!existsSync(main)) run('npm', ['run', '-s', 'build:cli'], { cwd: root, stdio: ['ignore', 2, 2] })
run(process.execPath, [main, ...process.argv.slice(2)], {
  cwd: process.env.INIT_CWD ?? root,
  stdio: 'inherit',
})
