// Mutations of the CUDA kernels: each barrier and wait is deleted and each bound shifted by one, in turn, and the op suite over
// the host executor must notice. `--only PART` takes files whose path holds it, `--kind barrier|bound`, `--every N` one in N,
// `--list` only lists. Prints what survives; exit status 1 when less than 90 % are caught. Survivors are explained in
// packages/cuda/mutations.json by file and text of the line: those that change nothing that can be seen count as caught.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { root } from './workspace.ts'

interface Mutation {
  readonly file: string
  readonly line: number
  readonly kind: 'barrier' | 'bound'
  readonly before: string
  readonly after: string
}

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    kind: { type: 'string' },
    every: { type: 'string', default: '1' },
    list: { type: 'boolean', default: false },
  },
})
const cuda = join(root, 'packages', 'cuda')
const suite = join(root, 'packages', 'core', 'build-test', 'qpkv_native_test')

/** Which tests look at a file; the first pattern that fits. */
const testsOf: [pattern: RegExp, tests: string[]][] = [
  [/decode_|staged_part|async_copy/, ['DecodeAttention']],
  [/prefill_attention/, ['PrefillAttention']],
  [/statistics\/|observed_rows/, ['Statistics']],
  [/matmul_bf16|matmul\.cu|panel_product|mma\.h/, ['Matmul', 'Experts']],
  [/experts/, ['Experts']],
  [/weights\.h|embed/, ['Embed', 'MatmulCoded']],
  [/pack_weight/, ['PackWeight', 'CodedWeights']],
  [/select\.cu|radix_select/, ['Select', 'ShareHeads', 'PackEquals', 'Sample']],
  [/share_heads/, ['ShareHeads']],
  [/score_operation/, ['Scores']],
  [/cache_ops/, ['AppendTokens', 'EvictLowest']],
  [/pack|part_cells/, ['PackEquals', 'PackBeyond', 'PackPiecewise', 'MarkTokens', 'Unpack']],
  [/unpack/, ['Unpack', 'CheckParts']],
  [/sample/, ['Sample', 'CountTokens']],
  [/rows\.cu|activation/, ['RmsNorm', 'Scale', 'Rope', 'Glu', 'StoreHeads', 'NoteNan', 'LoadFloats']],
  [/warp\.h/, ['RmsNorm', 'Select', 'Statistics', 'Sample']],
]

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    return entry.isDirectory() ? sources(path) : /\.(cu|h)$/.test(entry.name) ? [path] : []
  })
}

/** Barriers and waits are deleted; `a < b` of loops and conditions becomes `a <= b` and `a < b - 1`. */
function mutationsOf(file: string): Mutation[] {
  const found: Mutation[] = []
  let host = false
  for (const [line, text] of readFileSync(join(cuda, 'native', file), 'utf8')
    .split('\n')
    .entries()) {
    // The host's side begins behind the anonymous namespace; its bounds are no kernel's.
    if (/^}  \/\/ namespace$/.test(text)) host = true
    if (host || /^\s*(\/\/|static_assert|constexpr)/.test(text)) continue
    const add = (kind: Mutation['kind'], after: string) => {
      if (after !== text) found.push({ file, line, kind, before: text, after })
    }
    add('barrier', text.replace(/\b(__syncthreads\(\)|WaitCopies<0>\(\)|SyncWarp\(\));/, ';'))
    const bound = /\b(for|while|if) \(.*?[\w\])] < [\w(]/.exec(text)
    if (!bound) continue
    const at = bound[0].length + bound.index - 4 // of ' < x'
    add('bound', `${text.slice(0, at)} <= ${text.slice(at + 3)}`)
    add('bound', text.slice(0, at) + text.slice(at).replace(/ < ((?:[\w.\->]|\(.*?\))+)/, ' < $1 - 1'))
  }
  return found
}

const all = [...sources(join(cuda, 'native', 'kernels')), join(cuda, 'native', 'device', 'warp.h')]
  .map((path) => relative(join(cuda, 'native'), path))
  .filter((file) => file.includes(values.only))
  .flatMap(mutationsOf)
  .filter(({ kind }) => values.kind === undefined || kind === values.kind)
  .filter((_, i) => i % Number(values.every) === 0)

if (values.list) {
  for (const { file, line, kind, after } of all) console.log(`${file}:${line + 1} ${kind}: ${after.trim()}`)
  console.log(`${all.length} mutations`)
  process.exit(0)
}

const explained = existsSync(join(cuda, 'mutations.json'))
  ? (JSON.parse(readFileSync(join(cuda, 'mutations.json'), 'utf8')) as {
      file: string
      after: string
      why: string
    }[])
  : []
const whyNot = (m: Mutation) =>
  explained.find(({ file, after }) => file === m.file && after === m.after.trim())?.why

const work = mkdtempSync(join(tmpdir(), 'qpkv-mutate-'))
const copy = join(work, 'packages', 'cuda')
const outcomes = { caught: 0, equivalent: 0, survived: [] as Mutation[], broken: 0 }
try {
  cpSync(join(cuda, 'native'), join(copy, 'native'), { recursive: true })
  cpSync(join(cuda, 'CMakeLists.txt'), join(copy, 'CMakeLists.txt'))
  cpSync(join(root, 'packages', 'core', 'native'), join(work, 'packages', 'core', 'native'), {
    recursive: true,
  })
  const quiet = (command: string, args: string[], env: NodeJS.ProcessEnv = {}, timeout = 600_000) =>
    spawnSync(command, args, { stdio: 'ignore', env: { ...process.env, ...env }, timeout })
  quiet('cmake', ['-S', copy, '-B', join(copy, 'build'), '-G', 'Ninja', '-DQPKV_CUDA=OFF'])
  const build = () => quiet('ninja', ['-C', join(copy, 'build'), '-j2']).status === 0
  const passes = (tests: string[], seed: string) =>
    quiet(
      suite,
      tests,
      {
        QPKV_TEST_BACKEND: join(copy, 'build', 'qpkv_cuda_executor.so'),
        QPKV_EXECUTOR_SEED: seed,
        QPKV_TEST_EVERY: '23',
      },
      180_000,
    ).status === 0
  if (!build()) throw new Error('The executor does not build')
  for (const mutation of all) {
    const path = join(copy, 'native', mutation.file)
    const text = readFileSync(path, 'utf8')
    const lines = text.split('\n')
    lines[mutation.line] = mutation.after
    writeFileSync(path, lines.join('\n'))
    const tests = testsOf.find(([pattern]) => pattern.test(mutation.file))?.[1] ?? ['']
    const label = `${mutation.file}:${mutation.line + 1} ${mutation.after.trim() || '(deleted)'}`
    if (!build()) {
      outcomes.broken++
      console.log(`does not compile  ${label}`)
    } else if (['0', '1', '2'].every((seed) => passes(tests, seed))) {
      const why = whyNot(mutation)
      if (why === undefined) outcomes.survived.push(mutation)
      else outcomes.equivalent++
      console.log(`${why === undefined ? 'SURVIVED        ' : 'explained       '}  ${label}`)
    } else {
      outcomes.caught++
      console.log(`caught            ${label}`)
    }
    writeFileSync(path, text)
  }
} finally {
  rmSync(work, { recursive: true, force: true })
}
const counted = outcomes.caught + outcomes.survived.length
const share = counted === 0 ? 1 : outcomes.caught / counted
console.log(
  `${all.length} mutations: ${outcomes.caught} caught, ${outcomes.survived.length} survived, ` +
    `${outcomes.equivalent} explained, ${outcomes.broken} do not compile: ${(100 * share).toFixed(1)} %`,
)
process.exit(share >= 0.9 ? 0 : 1)
