// pnpm cuda:bundle [--checkpoints DIR] [--out FILE]: what packages/cuda/scripts/on-device.sh needs on a machine with a GPU, at most
// 50 MiB: sources and the compiler calls that CMake makes of them, Node, the scripts, the bundled model and DIR's models. Needs nvcc
// (pnpm cuda:toolchain), ninja and xz; a GPU only where it is unpacked.
import { execFileSync } from 'node:child_process'
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { build } from 'tsup'
import type { BuildCommand } from '../packages/cuda/scripts/on-device/build.ts'
import { root } from './workspace.ts'

const MOST_BYTES = 50 << 20

const { values } = parseArgs({
  options: {
    checkpoints: { type: 'string' },
    out: { type: 'string', default: join(root, 'packages', 'cuda', 'build', 'on-device.tar.xz') },
  },
})
const core = join(root, 'packages', 'core')
const cuda = join(root, 'packages', 'cuda')
const toolkit = join(root, '.cuda-toolkit', 'nvidia', 'cu13')
const nvcc = process.env['CUDACXX'] ?? join(toolkit, 'bin', 'nvcc')
const work = mkdtempSync(join(tmpdir(), 'qpkv-bundle-'))
const bundle = join(work, 'on-device')
const source = join(bundle, 'source')
// A compiler cache is this machine's own.
const env = { ...process.env, CMAKE_CXX_COMPILER_LAUNCHER: '', CMAKE_C_COMPILER_LAUNCHER: '', CUDACXX: nvcc }
const call = (command: string, args: string[], cwd = root) =>
  execFileSync(command, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 28 })

/** The compiler calls that make targets of a configured folder, with this machine's paths taken out. */
function commandsOf(folder: string, targets: string[]): BuildCommand[] {
  const to = `build/${folder}`
  return call('ninja', ['-C', join(bundle, to), '-t', 'commands', ...targets])
    .split('\n')
    .filter((line) => / -o \S+|\bar qc\b/.test(line) && !/cmake -P|VerifyGlobs/.test(line))
    .map((line) => ({
      folder: to,
      command: line
        .replace(/^: && /, '')
        .replace(/ && :$/, '')
        .replaceAll(/\S*cmake -E rm -f/g, 'rm -f')
        .replaceAll(/-D(?:CMAKE_INTDIR)=\S+/g, '')
        .replaceAll(/--generate-code=\S+/g, '')
        .replaceAll(nvcc, 'nvcc -arch=native')
        .replaceAll(toolkit, '$CUDA_HOME')
        .replaceAll(bundle, '$ROOT')
        .replaceAll(core, '$ROOT/source/packages/core')
        .replaceAll(cuda, '$ROOT/source/packages/cuda')
        .replaceAll(/\S*\/node_modules\/(node-a[\w-]+)(?:\/|(?=\s))/g, (_, name: string) => keepHeaders(name))
        .replaceAll(/(^|\s)\/usr\/bin\/(c\+\+|g\+\+|ar|ranlib)(?=\s)/g, '$1$2')
        .replaceAll(
          /(?<=-L)"?\$CUDA_HOME\/\S+?"?(?=\s|$)/g,
          '$CUDA_HOME/lib64 -L$CUDA_HOME/targets/x86_64-linux/lib',
        ),
    }))
}

/** Node's headers come from two packages of core's. */
function keepHeaders(name: string): string {
  const to = join(source, 'node-headers', name)
  if (!existsSync(to)) cpSync(join(core, 'node_modules', name), to, { recursive: true, dereference: true })
  return `-I$ROOT/source/node-headers/${name}/`
}

try {
  for (const folder of [core, cuda])
    cpSync(join(folder, 'native'), join(source, folder.slice(root.length), 'native'), { recursive: true })
  const configure = (folder: string, from: string, ...more: string[]) =>
    call('cmake', [
      '-S',
      from,
      '-B',
      join(bundle, 'build', folder),
      '-G',
      'Ninja',
      '-DCMAKE_BUILD_TYPE=Release',
      ...more,
    ])
  configure('core', core)
  configure('cuda', cuda)
  call(
    'pnpm',
    ['exec', 'cmake-js', 'configure', '--out', join(bundle, 'build', 'addon'), '-G', 'Ninja'],
    core,
  )
  const commands = [
    ...commandsOf('cuda', ['qpkv_cuda', 'qpkv_ceilings', 'qpkv_device_bench']),
    ...commandsOf('core', ['qpkv_native_test']),
    ...commandsOf('addon', ['qpkv_core']),
  ]
  const foreign = commands.find(({ command }) => command.includes(root) || command.includes(work))
  if (foreign) throw new Error(`A path of this machine is left in: ${foreign.command}`)
  writeFileSync(join(bundle, 'commands.json'), JSON.stringify(commands, undefined, 1))
  // Of the configured folders only what was generated is needed: commands.json says the rest.
  for (const folder of readdirSync(join(bundle, 'build')))
    for (const entry of readdirSync(join(bundle, 'build', folder)))
      if (entry !== 'generated') rmSync(join(bundle, 'build', folder, entry), { recursive: true })

  await build({
    config: false,
    entry: ['run', 'end-to-end'].map((name) => join(cuda, 'scripts', 'on-device', `${name}.ts`)),
    outDir: bundle,
    format: ['esm'],
    target: 'node20',
    platform: 'node',
    splitting: false,
    silent: true,
    noExternal: [/.*/],
    external: [/^@qpkv\/(core|cuda)-/],
    banner: {
      js: "import { createRequire as nodeRequire } from 'node:module'; const require = nodeRequire(import.meta.url)",
    },
    esbuildOptions: (options) => {
      options.conditions = ['@qpkv/source']
    },
  })
  const commit = call('git', ['rev-parse', 'HEAD']).trim()
  const changed = call('git', ['status', '--porcelain', '--', 'packages/core/native', 'packages/cuda']) !== ''
  writeFileSync(join(bundle, 'version.json'), JSON.stringify({ commit, changed }))
  writeFileSync(join(bundle, 'package.json'), '{ "type": "module" }\n')
  copyFileSync(join(cuda, 'scripts', 'on-device.sh'), join(bundle, 'on-device.sh'))
  copyFileSync(join(cuda, 'scripts', 'on-device', 'peers.py'), join(bundle, 'peers.py'))
  copyFileSync(process.execPath, join(bundle, 'node'))
  const models = join(bundle, 'models')
  mkdirSync(models)
  cpSync(join(root, 'packages', 'reference-model', 'model'), join(models, 'reference'), { recursive: true })
  if (values.checkpoints !== undefined)
    for (const name of readdirSync(values.checkpoints))
      if (existsSync(join(values.checkpoints, name, 'config.json')))
        cpSync(join(values.checkpoints, name), join(models, name), { recursive: true })

  const out = resolve(values.out)
  execFileSync('tar', ['-cJf', out, '-C', work, 'on-device'], {
    env: { ...env, XZ_OPT: '-6 -T0' },
    stdio: 'inherit',
  })
  const { size } = statSync(out)
  console.log(`${out}: ${(size / 2 ** 20).toFixed(1)} MiB, ${commands.length} compiler calls`)
  if (size > MOST_BYTES) throw new Error(`It may have ${MOST_BYTES / 2 ** 20} MiB at most`)
} finally {
  rmSync(work, { recursive: true, force: true })
}
