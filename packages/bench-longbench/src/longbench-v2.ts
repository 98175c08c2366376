import { readFile } from 'node:fs/promises'
import {
  contentHash,
  defineBenchmark,
  path,
  promptOf,
  protocol,
  samples,
  tokenizerOf,
  whole,
  type Benchmark,
  type BenchSample,
} from '@qpkv/bench-kit'
import { isPlainObject, KvError, type JsonObject } from '@qpkv/spec'
import { truncateMiddleJoined } from './prompt/truncate-middle.ts'
import { extractAnswer } from './v2/extract-answer.ts'
import { fillV2Template, v2Run } from './v2/fill-template.ts'
import { readV2Rows, type LongBenchV2Row } from './v2/row.ts'
import { v2Table } from './v2/v2-table.ts'

const longBenchV2Options = {
  data: path({ doc: 'The official data.json.', flag: { value: '<FILE>' } }),
  prompt: path({ doc: 'An official prompt file, such as prompts/0shot.txt.', flag: { value: '<FILE>' } }),
  rows: samples({ doc: 'First questions. Default: all.' }),
  protocol: protocol(),
  maxPromptTokens: whole({
    min: 2,
    default: v2Run.maxPromptTokens,
    doc: 'Cut the middle of longer prompts.',
  }),
  newTokens: whole({ min: 1, default: v2Run.maxNewTokens, doc: 'Tokens to generate.' }),
}

interface V2Sample extends BenchSample {
  readonly row: LongBenchV2Row
}

/**
 * LongBench v2: multiple choice over very long texts. Greedy, where the official run samples at temperature 0.1. The score is `right`, 0 or 1,
 * by the official extraction of the letter.
 */
export const longBenchV2: Benchmark = defineBenchmark({
  name: 'longbench-v2',
  about: 'LongBench v2: multiple choice over very long texts',
  options: longBenchV2Options,
  async prepare(
    { data, prompt, rows: count = Infinity, protocol, maxPromptTokens, newTokens },
    { onBadRow },
  ) {
    if (data === undefined || prompt === undefined)
      throw new KvError('KV_INVALID_OPTION', 'LongBench v2 needs its data.json and a prompt file.', {
        hint: 'Give --data data.json and --prompt prompts/0shot.txt of the official repository.',
      })
    const template = await readTemplate(prompt)
    const rows: LongBenchV2Row[] = []
    for await (const row of readV2Rows(data, onBadRow)) {
      if (rows.length >= count) break
      rows.push(row)
    }
    if (rows.length === 0)
      throw new KvError('KV_DATA', `${data} holds no question of LongBench v2.`, {
        hint: 'Point --data to the official data.json.',
      })
    return {
      samples: rows.map((row): V2Sample => ({
        id: `${protocol}/${row.id}`,
        facets: { protocol, difficulty: row.difficulty, size: row.length },
        place: `question ${row.id}`,
        content: [row.id, row.question, row.context, row.answer],
        size: {
          prompt: Math.min(Math.round(row.context.length / 4), maxPromptTokens),
          answers: newTokens,
        },
        row,
      })),
      state: template,
      data: { prompts: contentHash(template) },
    }
  },
  ask({ row }: V2Sample, { options, state, model }) {
    const filled = fillV2Template(state, row)
    const question = filled.text.slice(filled.contextEnd)
    const content = truncateMiddleJoined(filled.text, options.maxPromptTokens, tokenizerOf(model)).text
    const contextEnd = content.endsWith(question) ? content.length - question.length : null
    const chat = model.chatTemplate !== undefined
    const parts = { content, contextEnd, answerPrefix: '', chat, special: true }
    return promptOf(model, parts, options.protocol, {
      expected: row.answer,
      rule: { maxTokens: options.newTokens, stopTokens: model.generationDefaults.stopTokens },
    })
  },
  score: (reply, _question, { row }) => ({ right: extractAnswer(reply) === row.answer ? 1 : 0 }),
  table: v2Table,
  upgrade: ({ source, data: _data, prompts: _prompts, ...rules }: JsonObject) => {
    const { files: _files, ...read } = isPlainObject(source) ? source : {}
    return [{ ...rules, ...read }]
  },
})

async function readTemplate(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new KvError('KV_DATA', `Cannot read the prompt file ${path}: ${(cause as Error).message}.`, {
      cause,
    })
  })
  if (text.includes('$DOC$') && text.includes('$Q$')) return text
  throw new KvError('KV_DATA', `${path}: expected the slots $DOC$ and $Q$ in a prompt file.`, {
    hint: 'Take prompts/0shot.txt of the official repository.',
  })
}
