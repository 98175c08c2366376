import { readFloats, readInts, readJson } from './golden-files.ts'

/** One selection that an original's code made, with the scores it made it from. */
export interface SelectionCase {
  readonly id: string
  readonly reference: string
  readonly input: string
  readonly heads: 'kv' | 'query'
  readonly group: 'mean' | 'max' | 'sum' | null
  readonly params: {
    readonly window_size: number
    readonly max_capacity_prompt: number
    readonly kernel_size: number
    readonly pooling: 'maxpool' | 'avgpool'
    readonly num_hidden_layers?: number
    readonly layer_idx?: number
  }
  readonly tokens: number
  readonly keptCount: readonly number[]
  readonly pruned: boolean
  /** Per head: whether the scores allow one set only. */
  readonly unique: readonly boolean[] | null
  /** Per head. */
  readonly kept: readonly Int32Array[]
  /** Per head, of the tokens before the window; undefined where nothing was scored. */
  readonly scores: readonly Float32Array[] | undefined
}

/** Queries and keys that a recorded selection saw, after RoPE. */
export interface SelectionInput {
  readonly queryHeads: number
  readonly kvHeads: number
  readonly tokens: number
  readonly headDim: number
  /** [queryHeads, tokens, headDim] */
  readonly q: Float32Array
  /** [kvHeads, tokens, headDim] */
  readonly k: Float32Array
}

/** Reads a folder of recorded selections: cases.json, kept.i32.bin, scores.f32.bin and inputs. */
export function readSelections(folder: URL) {
  const file = readJson(new URL('cases.json', folder)) as {
    cases: (Omit<SelectionCase, 'kept' | 'scores'> & {
      keptOffset: number
      scoreOffset: number | null
      scoreShape: readonly [number, number] | null
    })[]
    inputs: Record<string, Omit<SelectionInput, 'q' | 'k'>>
  }
  const kept = readInts(new URL('kept.i32.bin', folder))
  const scored = file.cases.some((c) => c.scoreShape !== null)
  const scores = scored ? readFloats(new URL('scores.f32.bin', folder)) : new Float32Array()
  const cases = file.cases.map((c): SelectionCase => {
    let at = c.keptOffset
    const shape = c.scoreShape
    return {
      ...c,
      kept: c.keptCount.map((n) => kept.slice(at, (at += n))),
      scores:
        shape === null
          ? undefined
          : Array.from({ length: shape[0] }, (_, h) =>
              scores.slice(c.scoreOffset! + h * shape[1], c.scoreOffset! + (h + 1) * shape[1]),
            ),
    }
  })
  const input = (name: string): SelectionInput => ({
    ...file.inputs[name]!,
    q: readFloats(new URL(`${name}_q.f32.bin`, folder)),
    k: readFloats(new URL(`${name}_k.f32.bin`, folder)),
  })
  return { cases, input }
}

/**
 * Differences between our kept positions of one head and a recorded selection, in words; empty when they agree. The
 * last `window` recorded positions are protected. Pooling makes plateaus, so where scores tie at the boundary any
 * of the tied positions is right: above it all must be there, below it none (within 2e-5 of the boundary's score).
 * `scores` [tokens before the window]; undefined: sets must be equal.
 */
export function compareKept(
  ours: Int32Array,
  recorded: {
    readonly kept: Int32Array
    readonly scores: Float32Array | undefined
    readonly unique: boolean
  },
  window: number,
): string[] {
  const { kept, scores, unique } = recorded
  if (ours.length !== kept.length) return [`keeps ${ours.length} tokens, recorded ${kept.length}`]
  const own = new Set(ours)
  if (own.size < ours.length) return ['keeps a token twice']
  const differences: string[] = []
  for (const t of kept.slice(kept.length - window))
    if (!own.has(t)) differences.push(`window token ${t} is missing`)
  if (scores === undefined || unique) {
    for (const t of kept) if (!own.has(t)) differences.push(`token ${t} is missing`)
    return differences
  }
  const slots = kept.length - window
  if (slots <= 0) return differences
  const boundary = [...scores].sort((a, b) => b - a)[slots - 1]!
  const tolerance = 2e-5 * Math.abs(boundary)
  scores.forEach((score, t) => {
    if (score > boundary + tolerance && !own.has(t)) differences.push(`token ${t} is missing`)
    if (score < boundary - tolerance && own.has(t)) differences.push(`token ${t} should not be kept`)
  })
  return differences
}
