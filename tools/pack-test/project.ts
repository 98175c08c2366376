import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../workspace.ts'
import type { Tarballs } from './pack.ts'
import { expectText, run } from './run.ts'
import { programs } from './scripts.ts'

export const modelFolder = join(root, 'packages/reference-model/model')

const write = (path: string, value: object) => writeFileSync(path, JSON.stringify(value, null, 2))

const fromFiles = (tarballs: Tarballs, names: Iterable<string>) =>
  Object.fromEntries([...names].map((name) => [name, `file:${tarballs.get(name)}`]))

/**
 * An empty project that depends on `names`; what they depend on comes from tarballs too, since nothing is published yet. `published` are
 * packages of others, by version.
 */
export function writeProject(
  folder: string,
  tarballs: Tarballs,
  names: readonly string[],
  published: Readonly<Record<string, string>> = {},
): void {
  mkdirSync(folder, { recursive: true })
  const overrides = fromFiles(tarballs, tarballs.keys())
  const dependencies = { ...fromFiles(tarballs, names), ...published }
  write(join(folder, 'package.json'), { private: true, dependencies, overrides, pnpm: { overrides } })
  for (const [name, text] of Object.entries(programs)) writeFileSync(join(folder, name), text)
}

/**
 * A project, installed under pnpm, in which a package resolves what it declares and nothing else: nothing is hoisted, and the project's own
 * dependencies lie in a folder that is above no package. Returns that folder.
 */
export function strictProject(folder: string, tarballs: Tarballs, names: readonly string[]): string {
  const app = join(folder, 'app')
  mkdirSync(app, { recursive: true })
  const pnpm = { overrides: fromFiles(tarballs, tarballs.keys()) }
  write(join(folder, 'package.json'), { private: true, pnpm })
  write(join(app, 'package.json'), { private: true, dependencies: fromFiles(tarballs, names) })
  writeFileSync(join(folder, 'pnpm-workspace.yaml'), 'packages: [app]\nhoist: false\n')
  run('pnpm', ['install', ...pnpmFlags], folder)
  return app
}

export function npmInstall(folder: string): void {
  run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline'], folder)
}

const pnpmFlags = ['--ignore-scripts', '--prefer-offline', '--no-frozen-lockfile']

export function pnpmInstall(folder: string): void {
  run('pnpm', ['install', ...pnpmFlags, '--ignore-workspace'], folder)
}

/** Runs every program of a project and compiles its types under both ways of resolving modules. */
export function useProject(folder: string, env: NodeJS.ProcessEnv): void {
  for (const script of ['esm.mjs', 'cjs.cjs', 'worker.mjs'])
    expectText(script, run('node', [script, modelFolder], folder, { env }), /^ok$/m)
  for (const [module, resolution] of [
    ['NodeNext', 'NodeNext'],
    ['ESNext', 'Bundler'],
  ] as const) {
    const options = ['--noEmit', '--strict', '--skipLibCheck', 'false', '--target', 'ES2023']
    const library = ['--lib', 'ES2023,ESNext.Disposable', '--types', 'node']
    const types = ['--typeRoots', join(root, 'node_modules/@types')]
    run(
      join(root, 'node_modules/.bin/tsc'),
      [...options, ...library, ...types, '--module', module, '--moduleResolution', resolution, 'types.mts'],
      folder,
    )
  }
}

/** Environment with node and npm only on its PATH: what a machine without compiler and cmake has. */
export function bareEnvironment(work: string): NodeJS.ProcessEnv {
  const bin = join(work, 'bin')
  if (!existsSync(bin)) {
    mkdirSync(bin)
    for (const name of ['node', 'npm', 'npx', 'sh', 'env', 'uname']) {
      const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim()
      if (found) symlinkSync(found, join(bin, name))
    }
  }
  return { ...process.env, PATH: bin }
}
