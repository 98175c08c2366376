// Packs what would be published and uses it as a stranger would: in an empty project, under npm and under pnpm, as ESM, as CommonJS,
// from TypeScript and in a worker thread, with the prebuilt engine and neither compiler nor cmake on the PATH.
import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root, workspacePackages } from './workspace.ts'

const platform = `${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}`
const work = mkdtempSync(join(tmpdir(), 'qpkv-pack-'))
const packs = join(work, 'packs')
mkdirSync(packs)

function step(title: string, body: () => void): void {
  const start = performance.now()
  body()
  console.log(`pack test: ${title} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
}

function run(command: string, args: string[], cwd: string, env: NodeJS.ProcessEnv = process.env): string {
  const result = spawnSync(command, args, { cwd, env, encoding: 'utf8' })
  if (result.status !== 0)
    throw new Error(
      `${command} ${args.join(' ')} failed in ${cwd}\n${result.error?.message ?? ''}${result.stdout}${result.stderr}`,
    )
  return result.stdout
}

/** Tarball of every published package and of this machine's platform package, by name. */
function packAll(): Map<string, string> {
  const binary = join(root, 'packages/core/build/Release/qpkv_core.node')
  const platformFolder = join(root, 'packages/core/npm', platform)
  if (!existsSync(binary))
    throw new Error(`Expected the built engine at ${binary}; run "npm run build" first`)
  copyFileSync(binary, join(platformFolder, 'qpkv_core.node'))
  const tarballs = new Map<string, string>()
  const folders = workspacePackages()
    .filter(
      ({ manifest, folder }) =>
        !manifest.private && (!folder.startsWith('packages/core/npm/') || folder.endsWith(platform)),
    )
    .map(({ name, folder }) => ({ name, folder: join(root, folder) }))
  for (const { name, folder } of folders) {
    run('pnpm', ['pack', '--pack-destination', packs], folder)
    const prefix = `${name.replace('@', '').replace('/', '-')}-`
    const file = readdirSync(packs).find(
      (entry) => entry.startsWith(prefix) && /^\d/.test(entry.slice(prefix.length)),
    )
    if (!file) throw new Error(`No tarball of ${name} in ${packs}`)
    tarballs.set(name, join(packs, file))
  }
  rmSync(join(platformFolder, 'qpkv_core.node'))
  return tarballs
}

const esm = `import { loadModel } from '@qpkv/core'
import { snapkv } from '@qpkv/pruner-snapkv'
import { kivi } from '@qpkv/quantizer-kivi'
const model = await loadModel(process.argv[2], { threads: 1 })
const prompt = 'The special magic number for amber-acorn is: 1234567. The red boat crosses the hill.' +
  '\\nQuestion: What is the special magic number for amber-acorn?\\nAnswer: The special magic number for amber-acorn is'
const context = await model.prefill(prompt, { compression: { budget: { tokens: 48 }, prune: snapkv({ window: 16 }), quantize: kivi({ bits: 4, recent: 8 }) } })
const { text } = await context.generate({ maxTokens: 12, temperature: 0 }).result
if (!text.startsWith(' 1234567.')) throw new Error('unexpected answer ' + JSON.stringify(text))
await context.dispose()
await model.dispose()
console.log('ok')
`
const cjs = `const { parseSpec } = require('@qpkv/spec')
const core = require('@qpkv/core')
if (typeof core.loadModel !== 'function' || typeof parseSpec !== 'function') throw new Error('require of ESM gave no exports')
console.log('ok')
`
const worker = `import { Worker } from 'node:worker_threads'
const worker = new Worker(new URL('./esm.mjs', import.meta.url), { argv: [process.argv[2]] })
worker.on('error', (error) => { throw error })
worker.on('exit', (code) => { if (code !== 0) process.exitCode = 1 })
`
const types = `import { loadModel, type Context } from '@qpkv/core'
import { snapkv } from '@qpkv/pruner-snapkv'
import { kivi } from '@qpkv/quantizer-kivi'
export async function answer(folder: string): Promise<Context> {
  const model = await loadModel(folder, { threads: 1 })
  return model.prefill('text', { compression: { prune: snapkv(), quantize: kivi({ bits: 2 }), budget: { bytes: '64KiB' } } })
}
`

/** PATH with node and npm only: what a machine without compiler and cmake has. */
function barePath(): string {
  const bin = join(work, 'bin')
  if (!existsSync(bin)) {
    mkdirSync(bin)
    for (const name of ['node', 'npm', 'npx', 'sh', 'env', 'uname']) {
      const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
      if (found) symlinkSync(found, join(bin, name))
    }
  }
  return bin
}

const trio = [
  '@qpkv/spec',
  '@qpkv/core',
  `@qpkv/core-${platform}`,
  '@qpkv/pruner-snapkv',
  '@qpkv/quantizer-kivi',
]
const modelFolder = join(root, 'packages/reference-model/model')

function writeProject(folder: string, tarballs: Map<string, string>, names: readonly string[]): void {
  mkdirSync(folder, { recursive: true })
  const files = Object.fromEntries(names.map((name) => [name, `file:${tarballs.get(name)}`]))
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, dependencies: files, pnpm: { overrides: files } }, null, 2),
  )
  for (const [name, text] of Object.entries({
    'esm.mjs': esm,
    'cjs.cjs': cjs,
    'worker.mjs': worker,
    'types.mts': types,
  }))
    writeFileSync(join(folder, name), text)
}

function useProject(folder: string): void {
  for (const script of ['esm.mjs', 'cjs.cjs', 'worker.mjs']) {
    const output = run('node', [script, modelFolder], folder, { ...process.env, PATH: barePath() })
    if (!output.includes('ok')) throw new Error(`${script} printed ${JSON.stringify(output)}`)
  }
  for (const [module, resolution] of [
    ['NodeNext', 'NodeNext'],
    ['ESNext', 'Bundler'],
  ] as const) {
    const options = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      'false',
      '--target',
      'ES2023',
      '--lib',
      'ES2023,ESNext.Disposable',
      '--types',
      'node',
      '--typeRoots',
      join(root, 'node_modules/@types'),
    ]
    run(
      join(root, 'node_modules/.bin/tsc'),
      [...options, '--module', module, '--moduleResolution', resolution, 'types.mts'],
      folder,
    )
  }
}

const install = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline']
let tarballs = new Map<string, string>()
try {
  step('pack', () => (tarballs = packAll()))
  step('publint and attw over every tarball', () => {
    for (const [name, tarball] of tarballs) {
      run('pnpm', ['exec', 'publint', tarball, '--strict'], root)
      if (!name.startsWith('@qpkv/core-'))
        run('pnpm', ['exec', 'attw', tarball, '--profile', 'esm-only', '--format', 'ascii'], root)
    }
  })
  step('three packages under 15 MB', () => {
    const bytes = trio.reduce((sum, name) => sum + statSync(tarballs.get(name) ?? '').size, 0)
    if (bytes > 15e6)
      throw new Error(
        `core, a pruner and a quantizer pack to ${(bytes / 1e6).toFixed(1)} MB; expected at most 15 MB`,
      )
  })
  step('npm: ESM, CommonJS, worker, types', () => {
    const folder = join(work, 'with-npm')
    writeProject(folder, tarballs, trio)
    run('npm', install, folder)
    useProject(folder)
  })
  step('pnpm: ESM, CommonJS, worker, types', () => {
    const folder = join(work, 'with-pnpm')
    writeProject(folder, tarballs, trio)
    run(
      'pnpm',
      ['install', '--ignore-scripts', '--prefer-offline', '--no-frozen-lockfile', '--ignore-workspace'],
      folder,
    )
    useProject(folder)
  })
  step('every pruner and quantizer alone', () => {
    for (const name of [...tarballs.keys()].filter((n) => /^@qpkv\/(pruner|quantizer)-/.test(n))) {
      const folder = join(work, 'alone', name.replace('/', '-'))
      writeProject(folder, tarballs, ['@qpkv/spec', name])
      run('npm', install, folder)
      run(
        'node',
        [
          '--input-type=module',
          '-e',
          `const m = await import(${JSON.stringify(name)}); if (typeof m.default !== 'function') throw new Error('no default export')`,
        ],
        folder,
      )
    }
  })
  step('npx qpkv without compiler and cmake', () => {
    const folder = join(work, 'command')
    writeProject(folder, tarballs, [...tarballs.keys()])
    run('npm', install, folder)
    const env = { ...process.env, PATH: barePath() }
    const bin = join(folder, 'node_modules/.bin/qpkv')
    run('node', [bin, 'demo', '--scale', '0.1', '--lengths', '512', '--out', 'out'], folder, env)
    if (!existsSync(join(folder, 'out'))) throw new Error('qpkv demo wrote nothing')
    const chat = execFileSync('node', [bin, 'chat', '--max-tokens', '4'], {
      cwd: folder,
      env,
      encoding: 'utf8',
      input: 'The password of Ada of Selby is calm-moon.\n/exit\n',
    })
    if (chat.length === 0) throw new Error('qpkv chat printed nothing')
  })
} finally {
  rmSync(work, { recursive: true, force: true })
  rmSync(join(root, 'packages/core/npm', platform, 'qpkv_core.node'), { force: true })
}
