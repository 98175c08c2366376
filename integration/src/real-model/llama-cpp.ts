import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Model } from '@qpkv/core'
import { prose, variedTexts } from './texts.ts'

export const PEER = 'node-llama-cpp@3.22.1'

interface PeerAnswer {
  readonly tokens: readonly (readonly number[])[]
  readonly ids: readonly number[]
  /** [positions][vocab] probabilities of the next token, all in one batch and token by token. */
  readonly batch: readonly (readonly number[])[]
  readonly single: readonly (readonly number[])[]
}

/** How far two sets of next-token distributions lie apart. */
export interface Distance {
  /** Mean over positions, in nats. */
  readonly kl: number
  /** Share of positions with the same likeliest token. */
  readonly top1: number
}

export interface LlamaCppReport {
  readonly peer: string
  readonly texts: number
  readonly textsEqual: number
  readonly positions: number
  /** Ours against the peer's one-batch run. */
  readonly ours: Distance
  /** The peer token by token against itself in one batch: its own spread. */
  readonly peerItself: Distance
}

/** Holds the model against node-llama-cpp, which npm brings into `folder` the first time. */
export async function compareWithLlamaCpp(
  model: Model,
  file: string,
  folder: string,
): Promise<LlamaCppReport> {
  const { tokenizer } = model
  if (!tokenizer) throw new Error('The model has no tokenizer.')
  const texts = variedTexts(200)
  const theirs = askPeer(file, folder, { texts, prose, vocab: model.config.vocabSize })
  const { logits } = await model.logits([...theirs.ids])
  const ours = theirs.ids.map((_, i) =>
    softmax(logits.subarray(i * model.config.vocabSize, (i + 1) * model.config.vocabSize)),
  )
  return {
    peer: PEER,
    texts: texts.length,
    textsEqual: texts.filter((text, i) => String(tokenizer.encode(text)) === String(theirs.tokens[i])).length,
    positions: theirs.ids.length,
    ours: distance(ours, theirs.batch),
    peerItself: distance(theirs.single, theirs.batch),
  }
}

/** npm brings the peer into `folder`, once. */
export function bringLlamaCpp(folder: string): void {
  mkdirSync(folder, { recursive: true })
  if (!existsSync(join(folder, 'node_modules', 'node-llama-cpp')))
    // Its prebuilt library is a package; the install script would look for a compiler.
    execFileSync(
      'npm',
      ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', PEER],
      {
        stdio: ['ignore', 2, 2],
      },
    )
}

function askPeer(file: string, folder: string, input: object): PeerAnswer {
  bringLlamaCpp(folder)
  const script = join(folder, 'llama-cpp-peer.mjs')
  copyFileSync(new URL('llama-cpp-peer.mjs', import.meta.url), script)
  const answer = join(folder, 'answer.json')
  const run = spawnSync('node', [script, file, answer], { input: JSON.stringify(input), encoding: 'utf8' })
  if (run.status !== 0) throw new Error(`${PEER} failed:\n${run.stderr.slice(-2000)}`)
  return JSON.parse(readFileSync(answer, 'utf8')) as PeerAnswer
}

function softmax(logits: Float32Array): number[] {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity)
  const powers = Array.from(logits, (logit) => Math.exp(logit - most))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map((power) => power / sum)
}

/** KL(of || from) and agreement of the likeliest tokens, over positions. */
function distance(of: readonly (readonly number[])[], from: readonly (readonly number[])[]): Distance {
  let kl = 0
  let same = 0
  for (const [i, p] of of.entries()) {
    const q = from[i] ?? []
    for (const [token, chance] of p.entries())
      if (chance > 0) kl += chance * Math.log(chance / Math.max(q[token] ?? 0, 1e-12))
    if (argmax(p) === argmax(q)) same++
  }
  return { kl: kl / of.length, top1: same / of.length }
}

const argmax = (row: readonly number[]) =>
  row.reduce((best, value, i) => (value > (row[best] ?? 0) ? i : best), 0)
