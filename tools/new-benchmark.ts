// `pnpm new benchmark NAME`: a package whose benchmark runs at once.
import { packageManifest } from './package-manifest.ts'

const source = (
  name: string,
  symbol: string,
) => `import { defineBenchmark, promptOf, protocol, samples, whole } from '@qpkv/bench-kit'

/** ${name}: say here in one sentence what it asks. Hides a word in a text and asks for it, until you write your own. */
export const ${symbol} = defineBenchmark({
  name: '${name}',
  about: 'a word hidden in a text',
  options: {
    samples: samples({ default: 20, doc: 'How many texts.' }),
    sentences: whole({ min: 1, default: 20, doc: 'Sentences around the word.' }),
    protocol: protocol(),
  },
  prepare: async ({ samples, sentences, protocol }) => ({
    samples: Array.from({ length: samples }, (_, i) => ({
      id: \`\${protocol}/\${i}\`, // the same sample has the same id in every run
      facets: { protocol }, // what reports group by
      size: { prompt: 10 * sentences, answers: 8 }, // tokens, for estimates
      code: String(1_000_000 + 7919 * i),
    })),
    state: undefined, // what ask and score need beside the sample: files that were read, tables
  }),
  ask({ code }, { options: { sentences, protocol }, model }) {
    const context = \`The special magic number for amber-acorn is: \${code}.\${' The red boat crosses the hill.'.repeat(sentences)}\`
    const question = '\\nQuestion: What is the special magic number for amber-acorn?\\nAnswer: The special magic number for amber-acorn is'
    const parts = { content: context + question, contextEnd: context.length, answerPrefix: '', chat: false, special: true }
    const rule = { maxTokens: 8, stopTokens: model.generationDefaults.stopTokens }
    return promptOf(model, parts, protocol, { expected: code, rule })
  },
  // Your own metrics, 0 to 1; the first one is what reports show.
  score: (reply, { expected }) => ({ found: reply.includes(expected) ? 1 : 0 }),
})
`

const readme = (name: string, symbol: string) => `# @qpkv/bench-${name}

## What

Say here what it asks and how it scores.

## When (and when not)

What its scores mean, and what they do not.

## Install

\`\`\`sh
npm install @qpkv/bench-${name} @qpkv/bench-kit @qpkv/core @qpkv/spec
\`\`\`

## Use

\`\`\`ts
import { runBenchmark } from '@qpkv/bench-kit'
import { ${symbol} } from '@qpkv/bench-${name}'
import { loadModel, modelFingerprint } from '@qpkv/core'
import { parseSpec } from '@qpkv/spec'

const folder = 'path/to/model'
const { table } = await runBenchmark(
  ${symbol},
  { samples: 2 },
  {
    model: await loadModel(folder),
    identity: { name: 'my-model', fingerprint: await modelFingerprint(folder) },
    specs: [{ label: 'full cache', spec: parseSpec('none+none') }],
    path: 'results/${name}.jsonl',
  },
)
console.log(table)
\`\`\`

On the command line: \`qpkv bench ${name}\`.

## Options

<!-- options of ${name} -->
<!-- /options -->

## Cost

Time and memory.
`

const test = (name: string, symbol: string) => `import { prepareRun, type BenchModel } from '@qpkv/bench-kit'
import { expect, test } from 'vitest'
import { ${symbol} } from '../src/index.ts'

test('${name} says its samples and what changes them', async () => {
  const identity = { name: 'm', fingerprint: 'f' }
  const tools = { model: {} as BenchModel, modelName: 'm', identity, onBadRow: () => undefined }
  const run = await prepareRun(${symbol}, { samples: 3 }, tools)
  expect(run.sizes).toHaveLength(3)
  expect(run.identity).toMatchObject({ bench: '${name}', task: { options: { sentences: 20 } } })
})
`

/** Relative path -> text of every file of a new package. */
export function newBenchmarkFiles(name: string, symbol: string): Record<string, string> {
  const manifest = packageManifest({
    name: `@qpkv/bench-${name}`,
    description: `${name} as a qpkv benchmark.`,
    folder: `packages/bench-${name}`,
    keywords: ['benchmark'],
    dependencies: { '@qpkv/bench-kit': 'workspace:^' },
    devDependencies: {},
  })
  return {
    'package.json': `${JSON.stringify(manifest, null, 2)}\n`,
    'README.md': readme(name, symbol),
    'src/index.ts': `export { ${symbol}, ${symbol} as default } from './${name}.ts'\n`,
    [`src/${name}.ts`]: source(name, symbol),
    [`test/${name}.test.ts`]: test(name, symbol),
  }
}
