// Builds any package: `tsup`, run in its folder, finds this file above it. One ESM file per entry for Node 20, declarations beside it.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { defineConfig } from 'tsup'
import { writeOptionHints } from './tools/option-hints.ts'
import tsconfig from './tsconfig.json' with { type: 'json' }

const present = (files: string[]) => files.filter((file) => existsSync(file))
const entry = present(['src/index.ts', 'src/main.ts'])
/** What runs in threads of its own is a file of its own, in plain JavaScript. */
const threads = present(['src/grammar-worker.js'])

/** The options of tsconfig.json as flags, less those that are for working on sources only. */
function flags(): string[] {
  const { customConditions: _, noEmit: __, ...options } = tsconfig.compilerOptions
  const shared = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])
  return [...shared, '--declaration', '--emitDeclarationOnly', '--rootDir', 'src', '--outDir', 'dist']
}

// tsc itself writes the declarations: unlike tsup's own way it needs no compiler API, and it is faster.
function writeDeclarations(): void {
  const compiler = join(dirname(createRequire(__filename).resolve('typescript/package.json')), 'bin/tsc')
  execFileSync(process.execPath, [compiler, '--ignoreConfig', ...flags(), ...entry], { stdio: 'inherit' })
}

export default defineConfig({
  entry: [...entry, ...threads],
  format: ['esm'],
  dts: false,
  sourcemap: true,
  clean: true,
  target: 'node20',
  platform: 'node',
  splitting: false,
  onSuccess: async () => {
    writeDeclarations()
    await writeOptionHints('dist')
  },
})
