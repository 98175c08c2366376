// `node scripts/dev.mjs [COMMAND ARGUMENTS]`: makes the checkout ready, then runs the command. It works on a machine with Node, a C++ compiler
// and cmake only: it brings the pinned pnpm into .tools/ and installs the workspace when the lockfile is newer. The commands themselves stand in
// package.json. A program of ours (.ts or .js) runs where the user stands, so that paths among its arguments are the user's; its TypeScript is
// run from the sources.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { delimiter, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const pkg = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const pnpmVersion = pkg.packageManager.split('@')[1]

// npm exports dozens of npm_* variables into its scripts; pnpm and its children must not see them.
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) => !/^npm_(config|lifecycle|package|command|execpath|node_execpath)/i.test(name),
  ),
)
Object.assign(env, { TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', TURBO_NO_UPDATE_NOTIFIER: '1' })

const fail = (message) => {
  console.error(message)
  process.exit(1)
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, env, stdio: 'inherit', ...options })
  if (result.error) fail(`Could not start ${command}: ${result.error.message}`)
  if (result.status !== 0) process.exit(result.status ?? 1)
}

const works = (command, args) => spawnSync(command, args, { env, stdio: 'ignore' }).status === 0

function requireBuildTools() {
  const missing = []
  if (!works('cmake', ['--version'])) missing.push('cmake')
  if (
    !['c++', 'g++', 'clang++'].some((compiler) => works(compiler, ['--version'])) &&
    process.platform !== 'win32'
  )
    missing.push('a C++ compiler')
  if (missing.length === 0) return
  const install =
    process.platform === 'darwin'
      ? 'xcode-select --install && brew install cmake'
      : existsSync('/etc/debian_version')
        ? 'sudo apt-get install -y g++ cmake make'
        : existsSync('/etc/redhat-release')
          ? 'sudo dnf install -y gcc-c++ cmake make'
          : existsSync('/etc/alpine-release')
            ? 'sudo apk add g++ cmake make'
            : 'install g++ (or clang++), cmake and make with the package manager of your system'
  fail(
    `The native engine needs ${missing.join(' and ')}, not found on the PATH.\nInstall with:\n\n    ${install}\n\nand run the command again.`,
  )
}

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > 20 || (major === 20 && minor >= 19)) return
  fail(
    `qpkv needs Node 20.19 or newer; this is ${process.versions.node}. Install a newer Node and run the command again.`,
  )
}

function bringPnpm() {
  const quiet = { ...env, npm_config_manage_package_manager_versions: 'false' }
  const found = spawnSync('pnpm', ['--version'], { env: quiet, cwd: '/', encoding: 'utf8' })
  if (found.status === 0 && found.stdout.trim() === pnpmVersion) return
  const bin = join(root, '.tools', 'node_modules', '.bin')
  const manifest = join(root, '.tools', 'node_modules', 'pnpm', 'package.json')
  if (!existsSync(manifest) || JSON.parse(readFileSync(manifest, 'utf8')).version !== pnpmVersion)
    run('npm', [
      'install',
      '--prefix',
      '.tools',
      '--no-save',
      '--no-package-lock',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      `pnpm@${pnpmVersion}`,
    ])
  env.PATH = bin + delimiter + env.PATH // turbo looks for pnpm on the PATH
}

function install() {
  const done = join(root, 'node_modules', '.modules.yaml')
  if (existsSync(done) && statSync(done).mtimeMs > statSync(join(root, 'pnpm-lock.yaml')).mtimeMs) return
  run('pnpm', [
    'install',
    '--frozen-lockfile',
    '--prefer-offline',
    '--config.confirm-modules-purge=false',
    '--reporter=append-only',
    '--loglevel=warn',
  ])
}

const [command, ...args] = process.argv.slice(2)
requireNode()
requireBuildTools()
bringPnpm()
install()
env.PATH = join(root, 'node_modules', '.bin') + delimiter + env.PATH
if (/\.[mc]?[jt]s$/.test(command ?? '')) {
  const typescript = ['--conditions=@qpkv/source', '--import', import.meta.resolve('tsx')]
  const cwd = process.env.INIT_CWD ?? process.cwd()
  run('node', [...(command.endsWith('.ts') ? typescript : []), resolve(root, command), ...args], { cwd })
} else if (command !== undefined && command !== 'setup') run(command, args)
