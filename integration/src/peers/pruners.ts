import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mean } from '@qpkv/bench-kit'
import { loadModel } from '@qpkv/core'
import { parseSpec } from '@qpkv/spec'
import { askHere, type Outcome } from './ask-here.ts'
import type { CachePrompt } from './caches.ts'
import { methodsAsTold, pressPairs } from './kvpress-methods.ts'

/** One rule here and in kvpress, with equally many tokens kept. */
export interface PrunerRow {
  readonly method: string
  readonly spec: string
  /** Share of kept tokens that are the same, over prompts, layers and heads. */
  readonly sameTokens: number
  readonly rightHere: number
  readonly rightThere: number
  readonly sameAnswers: number
  readonly klHere: number
  readonly klThere: number
  readonly top1Here: number
  readonly top1There: number
}

interface Theirs {
  readonly versions: Readonly<Record<string, string>>
  readonly full: readonly { readonly answer: readonly number[] }[]
  readonly presses: Readonly<
    Record<string, readonly (Outcome & { readonly kept: readonly (readonly number[][])[] })[]>
  >
}

/** Kept tokens, answers and divergence of each rule on both sides, in float32; `share` of each text is kept. */
export async function comparePruners(
  file: string,
  prompts: readonly CachePrompt[],
  answerTokens: number,
  { share, python, folder }: { readonly share: number; readonly python: string; readonly folder: string },
): Promise<{
  readonly rows: readonly PrunerRow[]
  readonly versions: Readonly<Record<string, string>>
  readonly fullRight: number
}> {
  const kept = prompts.map(({ ids }) => Math.round(ids.length * share))
  const theirs = askKvpress()
  let counts: readonly number[] = []
  await using model = await loadModel(file, { precision: 'f32', methods: methodsAsTold(() => counts) })
  const right = (answers: readonly (readonly number[])[]) =>
    answers.filter((ids, i) => model.tokenizer?.decode(ids).includes(prompts[i]?.answer ?? ' ')).length
  const rows: PrunerRow[] = []
  for (const [name, { ours }] of Object.entries(pressPairs)) {
    const there = theirs.presses[name] ?? []
    const here = []
    for (const [i, prompt] of prompts.entries()) {
      counts = (there[i]?.kept ?? []).map((heads) => heads[0]?.length ?? 0)
      const compression = parseSpec(`${ours}+none@${kept[i]}t`)
      here.push(await askHere(model, prompt, compression, theirs.full[i]?.answer ?? [], answerTokens))
      process.stderr.write(`\r${name} ${i + 1}/${prompts.length} `)
    }
    rows.push({
      method: name,
      spec: ours,
      sameTokens: mean(here.flatMap((one, i) => overlaps(one.kept, there[i]?.kept ?? []))),
      rightHere: right(here.map(({ answer }) => answer)),
      rightThere: right(there.map(({ answer }) => answer)),
      sameAnswers: here.filter((one, i) => String(one.answer) === String(there[i]?.answer)).length,
      klHere: mean(here.map(({ kl }) => kl)),
      klThere: mean(there.map(({ kl }) => kl)),
      top1Here: mean(here.map(({ top1 }) => top1)),
      top1There: mean(there.map(({ top1 }) => top1)),
    })
  }
  process.stderr.write('\n')
  return { rows, versions: theirs.versions, fullRight: right(theirs.full.map(({ answer }) => answer)) }

  function askKvpress(): Theirs {
    const [source, target] = [join(folder, 'kvpress-in.json'), join(folder, 'kvpress-out.json')]
    writeFileSync(source, JSON.stringify({ prompts, presses: pressPairs, kept, answerTokens }))
    const script = fileURLToPath(new URL('kvpress_peer.py', import.meta.url))
    const { status } = spawnSync(python, [script, file, source, target], { stdio: ['ignore', 2, 2] })
    if (status !== 0)
      throw new Error(`${script} failed. It needs: ${python} -m pip install kvpress==0.5.5 gguf`)
    return JSON.parse(readFileSync(target, 'utf8')) as Theirs
  }
}

/** Share of equal positions, a number per layer and head. */
function overlaps(
  here: readonly (readonly ArrayLike<number>[])[],
  there: readonly (readonly (readonly number[])[])[],
): number[] {
  return here.flatMap((heads, layer) =>
    heads.map((positions, head) => {
      const others = new Set(there[layer]?.[head])
      return Array.from(positions).filter((position) => others.has(position)).length / positions.length
    }),
  )
}
