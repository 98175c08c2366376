import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { loadModel, type Context, type Model } from '@qpkv/core'
import { registry } from '@qpkv/methods'
import { modelFolder } from '@qpkv/reference-model'
import { parseSpec, type CompressionSpec } from '@qpkv/spec'
import { mcnemarExact } from '@qpkv/bench-kit'
import { readJson, readLines } from './arrays.ts'
import { Tally, type FamilyResult } from './report.ts'

interface TradeoffManifest {
  files: Record<string, { prune: string; protocol: 'query-aware' | 'query-agnostic' }>
}

interface TradeoffText {
  id: string
  context: string
  tokens: number
  questions: string[]
  answers: string[]
  /** Configuration (`full`, `16@N`, `kiviB@N`) -> one generated text per question. */
  given: Record<string, string[]>
}

/** `16@64` or `kivi4@185` as a spec with the file's pruner. */
function specOfConfiguration(configuration: string, prune: string): CompressionSpec {
  if (configuration === 'full') return parseSpec('none+none')
  const match = /^(?:16|kivi(\d))@(\d+)$/.exec(configuration)
  if (!match) throw new Error(`Expected full, 16@N or kiviB@N but received ${configuration}`)
  const quantize = match[1] === undefined ? 'none' : `kivi:bits=${match[1]},group=32,recent=8`
  return parseSpec(prune === 'none' ? `none+${quantize}` : `${prune}+${quantize}@${match[2]}t`)
}

const MAX_TOKENS = 14

async function ask(context: Context, questions: readonly string[]): Promise<string[]> {
  const replies: string[] = []
  for (const question of questions) {
    const fork = context.fork()
    if (question !== '') await fork.append(question)
    const { text } = await fork.generate({ maxTokens: MAX_TOKENS, temperature: 0 }).result
    replies.push(text)
    await fork.dispose()
  }
  return replies
}

interface Count {
  answers: number
  equal: number
  right: number
  theirsRight: number
  onlyOurs: number
  onlyTheirs: number
}

async function runText(
  model: Model,
  text: TradeoffText,
  prune: string,
  counts: Map<string, Count>,
): Promise<void> {
  const configurations = Object.keys(text.given)
  const contexts = await model.prefill(text.context, {
    compression: configurations.map((c) => specOfConfiguration(c, prune)),
  })
  for (const [index, configuration] of configurations.entries()) {
    const context = contexts[index]
    if (!context) throw new Error(`No context for ${configuration}`)
    const ours = await ask(context, text.questions)
    await context.dispose()
    const count = counts.get(configuration) ?? {
      answers: 0,
      equal: 0,
      right: 0,
      theirsRight: 0,
      onlyOurs: 0,
      onlyTheirs: 0,
    }
    counts.set(configuration, count)
    ours.forEach((reply, question) => {
      const theirs = text.given[configuration]?.[question] ?? ''
      const begins = ` ${text.answers[question]}.`
      const [a, b] = [reply.startsWith(begins), theirs.startsWith(begins)]
      count.answers++
      count.equal += Number(reply === theirs)
      count.right += Number(a)
      count.theirsRight += Number(b)
      count.onlyOurs += Number(a && !b)
      count.onlyTheirs += Number(b && !a)
    })
  }
}

/**
 * The vectors' rule: right answers within max(2, 4 %) or McNemar p > 0.01, and at least 90 % of the
 * answers equal (all but two, where few were asked).
 */
function judge(count: Count): string | undefined {
  const close = Math.abs(count.right - count.theirsRight) <= Math.max(2, 0.04 * count.answers)
  if (!close && mcnemarExact(count.onlyOurs, count.onlyTheirs) <= 0.01)
    return `${count.right} right answers of ${count.answers}, theirs ${count.theirsRight}`
  // Rounding and near-ties may move single answers: a share of a few is no measure.
  if (count.answers - count.equal > Math.max(2, 0.1 * count.answers))
    return `only ${count.equal} of ${count.answers} answers are equal`
  return undefined
}

/** Whole texts with every answer an independent program gave. `texts` limits the texts per file. */
export async function checkTradeoff(folder: string, table: string, texts?: number): Promise<FamilyResult> {
  const tally = new Tally('tradeoff', table)
  const manifest = readJson<TradeoffManifest>(folder, 'manifest.json')
  const unknown = readdirSync(folder).filter((name) => name.endsWith('.jsonl') && !(name in manifest.files))
  const model = await loadModel(modelFolder, { table, methods: registry })
  const notes: string[] = unknown.map((name) => `${name} (not in its manifest)`)
  try {
    for (const [name, { prune }] of Object.entries(manifest.files)) {
      if (!existsSync(join(folder, name))) continue
      const method = prune.split(':')[0] ?? prune
      if (method !== 'none' && !registry.pruners.has(method)) {
        tally.missing.add(method)
        continue
      }
      const counts = new Map<string, Count>()
      for (const text of readLines<TradeoffText>(folder, name).slice(0, texts))
        await runText(model, text, prune, counts)
      for (const [configuration, count] of counts) tally.record(`${name} ${configuration}`, judge(count))
    }
  } finally {
    await model.dispose()
  }
  return tally.result(notes.length > 0 ? { notChecked: notes.join(', ') } : {})
}
