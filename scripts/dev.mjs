// The one entry behind `npm test`, `npm run demo` and the rest: it works on a machine with Node, a C++ compiler and cmake only.
// It brings the pinned pnpm into .tools/, installs the workspace when the lockfile is newer, and runs the verb.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
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

const turbo = (...args) =>
  run('pnpm', ['exec', 'turbo', 'run', ...args, '--output-logs=errors-only', '--log-order=grouped'])
const vitest = (...args) => run('pnpm', ['exec', 'vitest', 'run', ...args])
const tool = (name, ...args) =>
  run('node', ['--conditions=@qpkv/source', '--import', 'tsx', `tools/${name}.ts`, ...args])

const [verb = 'help', ...rest] = process.argv.slice(2)
const verbs = {
  setup() {},
  build: () => turbo('build'),
  test() {
    turbo('build', 'typecheck')
    vitest(...rest)
  },
  demo() {
    turbo('build', '--filter=qpkv...')
    run('node', ['packages/cli/dist/main.js', 'demo', ...rest])
  },
  // The command line as last built, or built first; nothing but its own words may come to stdout.
  qpkv() {
    const main = join(root, 'packages/cli/dist/main.js')
    if (!existsSync(main))
      run('pnpm', ['exec', 'turbo', 'run', 'build', '--filter=qpkv...'], { stdio: ['ignore', 2, 2] })
    run('node', [main, ...rest], { cwd: process.env.INIT_CWD ?? root })
  },
  bench() {
    turbo('build', '--filter=qpkv...')
    run('node', ['--conditions=@qpkv/source', '--import', 'tsx', 'integration/src/bench/main.ts', ...rest])
  },
  'bench-memory'() {
    turbo('build', '--filter=qpkv...')
    run('node', ['--conditions=@qpkv/source', '--import', 'tsx', 'integration/src/bench/prefill-memory.ts'])
  },
  check() {
    run('pnpm', ['exec', 'tsc', '-p', 'tools'])
    run('pnpm', ['exec', 'oxlint', '--type-aware', '--deny-warnings'])
    run('pnpm', ['exec', 'prettier', '--check', '--log-level=warn', '.'])
    run('pnpm', ['exec', 'sherif', '-r', 'packages-without-package-json'])
    run('pnpm', ['exec', 'knip'])
    for (const name of ['check-floors', 'check-package-shape', 'check-method-names', 'check-file-size'])
      tool(name)
    tool('generate-methods', '--check')
    tool('make-memory-table', '--check')
    tool('make-error-table', '--check')
    tool('format-native', '--check')
  },
  'format-native': () => tool('format-native'),
  generate: () => tool('generate-methods'),
  new() {
    tool('new-method', ...rest)
    run('pnpm', ['exec', 'prettier', '--write', '--log-level=warn', `packages/${rest[0]}s/${rest[1]}`])
    verbs.generate()
    run('pnpm', [
      'install',
      '--no-frozen-lockfile',
      '--prefer-offline',
      '--reporter=append-only',
      '--loglevel=warn',
    ])
  },
  'check-goldens'() {
    turbo('build', '--filter=qpkv...')
    run(
      'node',
      ['--conditions=@qpkv/source', '--import', 'tsx', 'integration/src/check-goldens/main.ts', ...rest],
      { cwd: process.env.INIT_CWD ?? root },
    )
  },
  'native-test': () => tool('native-test', ...rest),
  'native-asan': () => tool('native-test', '--sanitize', ...rest),
  'addon-asan': () => tool('addon-asan', ...rest),
  fuzz: () => tool('fuzz', ...rest),
  leak: () => tool('leak', ...rest),
  'cross-arm64': () => tool('cross-arm64', ...rest),
  'check-addon': () => tool('check-addon', ...rest),
  'memory-table': () => tool('make-memory-table', ...rest),
  'error-table': () => tool('make-error-table', ...rest),
  'check-release': () => tool('check-release', ...rest),
  // Versions and changelogs from the changesets, then what is generated from them and the lockfile.
  'version-packages'() {
    run('pnpm', ['exec', 'changeset', 'version'])
    verbs.generate()
    run('pnpm', ['install', '--lockfile-only'])
  },
  'publish-packages'() {
    tool('check-release')
    run('pnpm', ['-r', 'publish', '--access', 'public', ...rest])
    run('pnpm', ['exec', 'changeset', 'tag'])
  },
  'publish-dry-run'() {
    tool('check-release', '--packages-only')
    tool('publish-dry-run', ...rest)
  },
  'pack-test'() {
    turbo('build')
    tool('pack-test', ...rest)
  },
}

if (!(verb in verbs)) fail(`Expected one of ${Object.keys(verbs).join(', ')} but received ${verb}`)
requireNode()
requireBuildTools()
bringPnpm()
install()
verbs[verb]()
