// Plays prompts through qpkv, one per line: node qpkv-player.ts FILE.gguf THREADS < requests > replies
// Requests and replies as in transformers_player.py; a setting is { spec }. "full" is none+none, 16 bit.
import { createInterface } from 'node:readline'
import { divergence, mean } from '@qpkv/bench-kit'
import { loadModel, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { parseSpec } from '@qpkv/spec'
import type { PlayedRow, PlayRequest } from './player.ts'

const [file = '', threads = '2'] = process.argv.slice(2)
await using model = await loadModel(file, { threads: Number(threads), methods: registry })
const { vocabSize } = model.config

async function play(
  engine: Model,
  { ids, question, answerTokens }: PlayRequest,
  spec: string,
  full?: { readonly answer: readonly number[]; readonly rows: Float32Array },
): Promise<{ readonly row: PlayedRow; readonly rows: Float32Array }> {
  const began = performance.now()
  await using context = await engine.prefill([...ids], {
    compression: parseSpec(spec),
    onWarning: () => undefined,
  })
  const bytes = context.bytes
  await using copy = context.fork()
  await context.append([...question])
  let first = 0
  const stream = context.generate({ maxTokens: answerTokens, temperature: 0, stopTokens: [] })
  for await (const _ of stream) first ||= performance.now()
  const { tokens: answer } = await stream.result
  const done = performance.now()
  const told = [...question, ...(full?.answer ?? answer).slice(0, -1)]
  const rows = (await copy.appendLogits(told)).subarray((question.length - 1) * vocabSize)
  const each = full
    ? Array.from({ length: answerTokens }, (_, i) => {
        const at = (all: Float32Array) => all.subarray(i * vocabSize, (i + 1) * vocabSize)
        return divergence(at(rows), at(full.rows))
      })
    : []
  return {
    row: {
      answer: [...answer],
      bytes,
      prefillMs: first - began,
      tokenMs: (done - first) / (answerTokens - 1),
      kl: full ? mean(each.map(({ kl }) => kl)) : 0,
      top1: full ? mean(each.map(({ agrees }) => (agrees ? 1 : 0))) : 1,
    },
    rows,
  }
}

const say = (value: unknown) => process.stdout.write(`${JSON.stringify(value)}\n`)
say({ versions: { qpkv: 'this checkout' }, table: model.table })
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as PlayRequest
  const { row, rows } = await play(model, request, 'none+none')
  const played: Record<string, PlayedRow> = { full: row }
  for (const [name, { spec }] of Object.entries(request.settings as Record<string, { spec: string }>))
    ({ row: played[name] } = (await play(model, request, spec, { answer: row.answer, rows })) as {
      row: PlayedRow
    })
  say({ rows: played, fullBytes: row.bytes, peakBytes: process.resourceUsage().maxRSS * 1024 })
}
