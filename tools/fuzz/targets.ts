import { isDeepStrictEqual } from 'node:util'
import { upgradeLines } from '../../packages/bench-kit/src/result/upgrade.ts'
import { collectResults, parseLines } from '../../packages/bench-kit/src/result/read-results.ts'
import { resultsReport } from '../../packages/bench-kit/src/report/results-report.ts'
import { readGguf } from '../../packages/core/src/gguf/read-gguf.ts'
import { readConfig } from '../../packages/core/src/model/config.ts'
import { ChatTemplate, loadChatTemplate } from '../../packages/core/src/model/chat-template.ts'
import { readGenerationConfig } from '../../packages/core/src/model/generation-config.ts'
import { readJsonObject } from '../../packages/core/src/model/read-json.ts'
import { parseSafetensorsHeader, readSafetensorsHeader } from '../../packages/core/src/model/safetensors.ts'
import { createTokenizer, loadTokenizer } from '../../packages/core/src/model/tokenizer.ts'
import { registry } from '../../packages/methods/src/index.ts'
import {
  isPlainObject,
  loadSpec,
  parseBudgetText,
  parseSpec,
  printSpec,
  resolve,
} from '../../packages/spec/src/index.ts'
import { put } from './scratch-folder.ts'
import type { FuzzTargets } from './target.ts'

const model = {
  layers: 4,
  queryHeads: 4,
  kvHeads: 2,
  headDim: 64,
  slidingWindow: [null, null, null, null],
  contextTokens: 8192,
}

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('utf8')

/** Every reader of data from outside, by name. */
export const targetsIn: FuzzTargets = (folder) => ({
  safetensors: {
    async read(bytes) {
      const length = bytes.length < 8 ? Infinity : Number(Buffer.from(bytes).readBigUInt64LE())
      // What has a whole header needs no file, which is slow; the others do.
      if (8 + length <= bytes.length)
        parseSafetensorsHeader('model.safetensors', bytes.subarray(8, 8 + length), bytes.length)
      else await readSafetensorsHeader(put(folder, 'model.safetensors', bytes))
    },
  },
  config: {
    async read(bytes) {
      const path = 'config.json'
      const values = jsonObject(bytes) ?? (await readJsonObject(put(folder, path, bytes))) ?? {}
      readGenerationConfig(values, path)
      readConfig(values, path)
    },
  },
  gguf: {
    async read(bytes) {
      const source = await readGguf(put(folder, 'model.gguf', bytes))
      readConfig(source.model.config, 'model.gguf')
      if (!source.tokenizer) return
      const tokenizer = createTokenizer(source.tokenizer.definition, source.tokenizer.config, 'model.gguf')
      tokenizer.decode(tokenizer.encode('ab 1 \u00e9 <e>'))
    },
  },
  tokenizer: {
    async read(bytes) {
      put(folder, 'tokenizer.json', bytes)
      put(folder, 'tokenizer_config.json', bytes.length % 2 === 0 ? bytes : '{}')
      const tokenizer = await loadTokenizer(folder)
      if (!tokenizer) return
      const chat = await loadChatTemplate(folder, tokenizer)
      await chat?.render([{ role: 'user', content: 'Hi' }])
      const ids = tokenizer.encode('Hello, world 123\n  é 💥<|eot_id|>')
      tokenizer.decode(ids)
      tokenizer.decode([0, 1, 2, 99, 100_000], { special: true })
    },
  },
  template: {
    async read(bytes) {
      const chat = new ChatTemplate(
        new Map([['default', text(bytes)]]),
        { bos_token: '<s>' },
        { timeoutMs: 500 },
      )
      const messages = ['user', 'assistant', 'user'] as const
      await chat.render(messages.map((role, i) => ({ role, content: ` text ${i} "\u00e9"\n` })))
    },
  },
  'spec-text': {
    read(bytes) {
      const given = text(bytes)
      if (given.includes('@')) parseOrSame(() => parseBudgetText(given.slice(given.indexOf('@') + 1)))
      const spec = parseSpec(given)
      const again = parseSpec(printSpec(spec))
      if (!isDeepStrictEqual(again, spec))
        throw new Error(`printed ${printSpec(spec)}, which reads differently`)
      resolve(spec, registry, model, { tokens: 1000 })
    },
  },
  'spec-json': {
    read(bytes) {
      const spec = loadSpec(text(bytes))
      printSpec(spec)
      resolve(spec, registry, model, { tokens: 1000, userEnd: 990 })
    },
  },
  results: {
    read(bytes) {
      const { lines } = parseLines(Buffer.from(bytes), 'results.jsonl')
      const results = collectResults(upgradeLines(lines, 'results.jsonl'), 'results.jsonl')
      resultsReport([results])
    },
  },
})

/** The object that is there; undefined for what the reader of files must refuse. */
function jsonObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text(bytes))
    return isPlainObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** A second reader of the same input must not hide the first one's refusal. */
function parseOrSame(read: () => unknown): void {
  try {
    read()
  } catch (cause) {
    if (!(cause instanceof Error && cause.name === 'KvError')) throw cause
  }
}
