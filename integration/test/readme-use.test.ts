import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { generateTask, loadOwnAssets, rulerRowLine } from '@qpkv/bench-ruler'
import { qpruningkvLine, findDataset, standInRows, writeStandIns } from '@qpkv/bench-longbench'
import { modelFolder } from '@qpkv/reference-model'
import { runCli } from 'qpkv'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { needlePrompt } from './needle-prompt.ts'
import { linkPackages, readmes, type Readme } from './readme-blocks.ts'

// Every README's Use block is run as it stands, in a folder that holds the files it names. What is put in its place is listed here.
const root = fileURLToPath(new URL('../../', import.meta.url))
const installed = createRequire(import.meta.url)
const tsx = pathToFileURL(installed.resolve('tsx')).href
const modules = mkdtempSync(join(fileURLToPath(new URL('.', import.meta.url)), '.guide-readme-'))
const work = mkdtempSync(join(tmpdir(), 'qpkv-readme-'))
const before = process.cwd()
afterAll(() => {
  process.chdir(before)
  for (const folder of [modules, work]) rmSync(folder, { recursive: true, force: true })
})

/** READMEs whose block a test of the package runs. */
const elsewhere: Readonly<Record<string, string>> = {
  'packages/core/README.md': 'packages/core/test/readme.test.ts',
  'packages/cuda/README.md': 'packages/cuda/test/readme.test.ts', // on the host executor
  'packages/ai-sdk/README.md': 'packages/ai-sdk/test/ai-sdk.test.ts', // on the Node that `ai` asks for
}

/** Names that stand for the reader's own files. */
const ownFiles: readonly (readonly [written: string, run: string])[] = [
  ["'path/to/model'", JSON.stringify(modelFolder)],
  ["'../src/index.ts'", "'@qpkv/pruner-snapkv'"], // conformance: the block stands in a method's package
]

/** The same with fewer and shorter samples. A text that is not there any more fails its test. */
const smaller: Readonly<Record<string, readonly (readonly [written: string, run: string])[]>> = {
  'packages/bench-needle/README.md': [
    ['lengths: [2048]', 'lengths: [512]'],
    ['samples: 25', 'samples: 1'],
    ['to: 8001', 'to: 1001'],
    ['depths: 10', 'depths: 1'],
  ],
  'packages/bench-ruler/README.md': [
    ['length: 4096', 'length: 512'],
    ['lengths: [4096]', 'lengths: [512]'],
    ['samples: 50', 'samples: 1'],
  ],
  'packages/bench-text/README.md': [['--file novel.txt', '--file novel.txt --context 256 --blocks 1']],
  'packages/reference-model/README.md': [['samples: 100', 'samples: 2']],
  'packages/cli/README.md': [
    ['--length 2048 --samples 100', '--length 512 --samples 1'],
    ['qpkv demo', 'qpkv demo --lengths 512 --scale 0.05'],
    ['qpkv pull longbench && ', ''], // from the network; packages/cli/test/pull.test.ts pulls from a server on loopback
    ['--to 8001 --step 100 --depths 10', '--to 1001 --step 100 --depths 1'],
    ['--length 4096,8192 --samples 50', '--length 512 --samples 1'],
    ['"lengths": [2048], "samples": 20', '"lengths": [512], "samples": 1'],
  ],
}

/** Text of the bundled model's world, longer than any haystack here. */
const essay = needlePrompt(400)

/** Files that a README names, before it runs. */
const files: Readonly<Record<string, () => Promise<void> | void>> = {
  'packages/bench-needle/README.md': () => put('essays/one.txt', essay),
  'packages/bench-ruler/README.md': async () => {
    const tokenizer = { countTokens: (text: string) => text.split(/\s+/).length }
    const options = { scripts: 'current', length: 512, samples: 1, tokenizer } as const
    const rows = [...generateTask('niah_single_1', { ...options, assets: await loadOwnAssets() })]
    put('data/RULER/512/niah_single_1.jsonl', rows.map(rulerRowLine).join(''))
  },
  'packages/bench-longbench/README.md': async () => {
    await longBench()
    const { facts } = findDataset('hotpotqa')
    const lines = standInRows(facts, { seed: 1, rows: 2, size: 4 }).map((row) =>
      qpruningkvLine(row, '', row.answers[0] ?? ''),
    )
    put('results/meta-llama-3-8b-instruct_128/hotpotqa/SnapKV.json', lines.join('\n'))
  },
  'packages/bench-text/README.md': () => {
    put('novel.txt', essay)
    put('specs.txt', 'none+kivi:bits=4\nsnapkv+kivi:bits=2@25%\n')
    put(
      'mine.jsonl',
      JSON.stringify({ context: essay.slice(0, 4000), question: 'What now?', answer: 'boat' }),
    )
  },
  'packages/quantizers/kvquant/README.md': async () => {
    await cli('calibrate', '--out', 'model.kvquant.json', '--tokens', '256', '--chunks', '2')
  },
  'packages/cli/README.md': async () => {
    await longBench()
    put('question.txt', needlePrompt())
    put('rows.txt', 'none+none\nsnapkv+kivi:bits=4@50%\n')
    put('qpkv-data/needle-essays/one.txt', essay)
    for (const [name, spec] of [
      ['a', 'none+none'],
      ['b', 'none+kivi:bits=2'],
    ] as const)
      await cli(
        'bench',
        'needle',
        '--length',
        '512',
        '--samples',
        '1',
        '--spec',
        spec,
        '--out',
        `${name}.jsonl`,
      )
  },
}

/** Runs the command; what it says goes nowhere. */
async function cli(...args: string[]): Promise<void> {
  const silent = { write: () => true }
  const io = { stdin: process.stdin, stdout: silent, stderr: silent, takeInterrupt: () => () => undefined }
  expect(await runCli(args, { ...io, signal: new AbortController().signal })).toBe(0)
}

/** Stand-ins in the place where `qpkv pull longbench` puts the official files. */
const longBench = () => writeStandIns('qpkv-data/longbench', { seed: 1, rows: 1, size: 24 })

function put(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
}

/** A README's code as it is run. */
function runnable({ path, program, commands, documents }: Readme) {
  const all = [program, ...commands, ...documents].join('\n')
  for (const [written] of smaller[path] ?? []) expect(all).toContain(written)
  const replace = (text: string) =>
    [...ownFiles, ...(smaller[path] ?? [])].reduce((code, [from, to]) => code.replaceAll(from, to), text)
  return {
    program: replace(program),
    commands: commands.map((line) => replace(line).replaceAll('path/to/model', modelFolder)),
    documents: documents.map(replace),
  }
}

/** What a block prints goes nowhere. */
const quiet = `const console = { log(..._: unknown[]) {} }
const process = { stdout: { write(_: string) {} }, once(..._: unknown[]) {} }
export {}
`

function writeProgram(path: string, program: string): string {
  const file = join(modules, `${path.replace(/\W+/g, '-')}.ts`)
  writeFileSync(file, quiet + linkPackages(program, modules))
  return file
}

async function runProgram(path: string, program: string): Promise<void> {
  await import(/* @vite-ignore */ pathToFileURL(writeProgram(path, program)).href)
  expect(failures()).toEqual([])
}

/** Benches record a failing sample and go on; here it is a failure of the block. */
function failures(): string[] {
  const names = existsSync('results') ? readdirSync('results').filter((name) => name.endsWith('.jsonl')) : []
  return names.flatMap((name) =>
    readFileSync(join('results', name), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{"kind":"failure"')),
  )
}

/** A folder for the PATH whose `qpkv` is the command's source. */
function commandFolder(): string {
  const bin = join(work, 'bin')
  put(
    join(bin, 'qpkv'),
    `#!/bin/sh\nexec '${process.execPath}' --conditions=@qpkv/source --import '${tsx}' '${join(root, 'packages/cli/src/main.ts')}' "$@"\n`,
  )
  chmodSync(join(bin, 'qpkv'), 0o755)
  return bin
}

test('all blocks are sound TypeScript', () => {
  // The one library of others that a README brings along.
  mkdirSync(join(modules, 'node_modules'))
  symlinkSync(join(root, 'packages/ai-sdk/node_modules/ai'), join(modules, 'node_modules/ai'))
  for (const readme of readmes()) writeProgram(readme.path, runnable(readme).program)
  const settings = { extends: join(root, 'tsconfig.json'), include: ['*.ts'] }
  writeFileSync(join(modules, 'tsconfig.json'), JSON.stringify(settings))
  const compiler = join(installed.resolve('typescript/package.json'), '../bin/tsc')
  const result = spawnSync(process.execPath, [compiler, '-p', modules], { encoding: 'utf8' })
  expect(result.stdout).toBe('')
  expect(result.status).toBe(0)
}, 120_000)

test.each(readmes().filter(({ install }) => install !== ''))(
  '$path: Install names what Use imports',
  ({ program, install }) => {
    for (const [, name = ''] of program.matchAll(/ from '(@qpkv\/[^']+)'/g)) expect(install).toContain(name)
  },
)

describe.each(readmes().map((readme) => [readme.path, readme] as const))('%s', async (path, readme) => {
  if (path in elsewhere) {
    test('is run by its package', () => expect(readme.program).not.toBe(''))
    return
  }
  test('has a Use block', () => expect(readme.program + readme.commands.join('')).not.toBe(''))
  const { program, commands, documents } = runnable(readme)
  const folder = join(work, path)
  beforeAll(async () => {
    mkdirSync(folder, { recursive: true })
    process.chdir(folder)
    await files[path]?.()
    for (const document of documents) put('grid.json', document) // the only file that a README shows
  })
  // What registers tests of its own must do so now.
  if (program.includes("from 'vitest'")) await runProgram(path, program)
  else if (program !== '') test('runs', () => runProgram(path, program), 120_000)

  test.each(commands.map((line) => [line]))(
    '%s',
    (line) => {
      const env = { ...process.env, PATH: commandFolder() + delimiter + process.env['PATH'] }
      const input = 'The red boat\n/exit\n'
      const result = spawnSync('sh', ['-c', line], { cwd: folder, env, input, encoding: 'utf8' })
      expect(result.stderr).not.toMatch(/Error/)
      expect(result.status, result.stderr).toBe(0)
    },
    240_000,
  )
})
